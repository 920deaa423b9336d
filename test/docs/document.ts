import { readFileSync, readdirSync } from "node:fs";

const top = new URL("../../", import.meta.url);

/** Reads a document of this repository by its path from the top. */
export function readDocument(path: string): string {
  return readFileSync(new URL(path, top), "utf8");
}

/** The paths of the documents that people write: not the reports of the API, which a tool writes. */
export function documentNames(): readonly string[] {
  const below = (folder: string): string[] =>
    readdirSync(new URL(folder, top), { withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".md") && !entry.name.endsWith(".api.md"))
      .map((entry) => `${folder}${entry.name}`);
  return ["./", "docs/", "docs/decisions/", "examples/", "examples/memory/"]
    .flatMap(below)
    .map((name) => name.replace("./", ""))
    .sort();
}

/** The cells of every row of every table in a document, their code marks taken off. */
export function tableRows(text: string): readonly (readonly string[])[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|") && !/^[|\s:-]+$/.test(line))
    .map((line) =>
      line
        .replaceAll(/^\||\|\s*$/g, "")
        .split("|")
        .map((cell) => cell.trim().replaceAll(/^`|`$/g, "")),
    );
}

/** The code blocks of a language in a document. */
export function codeBlocks(text: string, language: string): readonly string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, of]) => of === language)
    .map(([, , code = ""]) => code);
}
