import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const root = new URL("../../", import.meta.url);

/** The entries of the package and the sources that they are made of. */
export const ENTRIES: Readonly<Record<string, string>> = {
  millrace: "src/index.ts",
  "millrace/stages": "src/stages.ts",
  "millrace/testing": "src/testing/index.ts",
  "millrace/embedded": "src/embedded/index.ts",
};

/**
 * Writes a block of a document as a program that runs here, on the sources of this repository, and
 * answers with its path. It is removed when the test is over.
 */
export async function writeProgram(block: string): Promise<string> {
  const text = Object.entries(ENTRIES).reduce(
    (code, [entry, source]) => code.replaceAll(`"${entry}"`, JSON.stringify(new URL(source, root).href)),
    block,
  );
  const file = fileURLToPath(new URL(`temp/program-${randomUUID()}.ts`, root));
  await mkdir(new URL("temp", root), { recursive: true });
  await writeFile(file, text);
  onTestFinished(() => rm(file));
  return file;
}
