/** The list of source files, as it stands in ARCHITECTURE.md. */
export function listRooms(): string;
/** Puts the list between its marks. */
export function withRooms(document: string): string;
