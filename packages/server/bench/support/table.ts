/** A target, and whether it was met. */
export function against(ratio: number, atLeast: number): string {
  return `${times(ratio)} (at least ${times(atLeast)}: ${ratio >= atLeast ? "met" : "MISSED"})`;
}

/** The same for what should be small. */
export function atMost(ratio: number, limit: number): string {
  return `${times(ratio)} (at most ${times(limit)}: ${ratio <= limit ? "met" : "MISSED"})`;
}

export function times(ratio: number): string {
  return `${ratio.toFixed(2)}×`;
}

/** `12.3k`, `1.2M`: three digits are more than a benchmark knows. */
export function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)}k`;
  return value.toFixed(value < 10 ? 2 : 0);
}

/** `2.1 µs`, `48.7 ms`. */
export function duration(ms: number): string {
  return ms < 1 ? `${(ms * 1000).toFixed(1)} µs` : `${ms.toFixed(1)} ms`;
}

/** Prints rows under their headers: the first column to the left, numbers to the right. */
export function printTable(
  title: string,
  headers: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  console.log(`\n${title}`);
  console.log(line(headers));
  console.log(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of rows) console.log(line(row));
}
