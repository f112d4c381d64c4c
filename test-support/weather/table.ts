// Prints rows as a table, in plain text or in Markdown.

/** Rows as a table of Markdown. The first row is the heading. */
export function markdownTable(rows: readonly (readonly (string | number)[])[]): string {
  const [heading = [], ...rest] = rows;
  const separated = [heading, heading.map((cell) => "-".repeat(String(cell).length)), ...rest];
  return table(separated.map((cells) => cells.map((cell) => `| ${cell}`)))
    .split("\n")
    .map((line) => `${line.trimEnd()} |`)
    .join("\n");
}

/** Lays rows out in columns as wide as their widest cell. The first row is the heading. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, String(cell).length);
    });
  }
  return rows
    .map((row) => row.map((cell, column) => String(cell).padEnd(widths[column] ?? 0)).join("  "))
    .join("\n");
}
