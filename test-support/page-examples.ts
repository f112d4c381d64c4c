// Takes the code examples out of a page of the documentation, type-checks them, and writes them as files that run.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The code block that follows `<!-- example: name -->` in a page. */
export function exampleOf(page: string, name: string): string {
  const block = new RegExp(`<!-- example: ${name} -->\\s*\`\`\`ts\\n(?<code>[\\s\\S]*?)\`\`\``).exec(page);
  const code = block?.groups?.code;
  if (code === undefined) throw new Error(`The page has no ts block after "<!-- example: ${name} -->".`);
  return code;
}

/** What the compiler says against the files, with the options that the packages are built with. */
export function typeErrorsOf(files: readonly string[]): string {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.base.json"), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: Record<string, unknown> };
  };
  const overrides = {
    noEmit: true,
    composite: false,
    types: ["node"],
    declaration: false,
    declarationMap: false,
  };
  const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, ...overrides }, ROOT);
  const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram(files, options));
  return ts.formatDiagnostics(diagnostics, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => ROOT,
    getNewLine: () => "\n",
  });
}

/** Writes an example beside its JavaScript: Node 20 runs no TypeScript. */
export async function writeExample(
  folder: string,
  name: string,
  code: string,
): Promise<{ source: string; script: string }> {
  const source = join(folder, `${name}.ts`);
  const script = join(folder, `${name}.js`);
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  await writeFile(source, code);
  await writeFile(script, ts.transpileModule(code, { compilerOptions }).outputText);
  return { source, script };
}
