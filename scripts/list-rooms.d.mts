/** Every file that has to say what it is for, from the repository's folder. */
export function sourceFiles(): string[];
/** The first sentence of the comment that starts on the first line of a file; `undefined` when there is none. */
export function headerOf(file: string): string | undefined;
/** Puts the list of files and their sentences between its marks. */
export function withRooms(document: string): string;
