import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readDocument } from "./document.ts";

const top = new URL("../../", import.meta.url);
const FOLDERS = ["", "docs/", "docs/decisions/", "examples/", "examples/memory/"];

const documents = FOLDERS.flatMap((folder) =>
  readdirSync(new URL(folder, top))
    .filter((name) => name.endsWith(".md"))
    .map((name) => folder + name),
);

/** The headings of a document, as links name them. */
function anchorsOf(document: string): readonly string[] {
  return [...readDocument(document).matchAll(/^#+ (.*)$/gmu)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/gu, "")
      .replaceAll(/\s/gu, "-"),
  );
}

describe("the documents", () => {
  it("are found", () => {
    expect(documents).toContain("README.md");
    expect(documents).toContain("docs/job-states.md");
  });

  it.each(documents)("%s links only to what is there", (document) => {
    const links = [...readDocument(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, link = ""]) => link);
    const inside = links.filter((link) => !/^[a-z]+:/.test(link));
    const missing = inside.filter(
      (link) => !existsSync(fileURLToPath(new URL(link, new URL(document, top)))),
    );
    expect(missing).toEqual([]);
  });

  it.each(documents)("%s links only to headings that are there", (document) => {
    const links = [...readDocument(document).matchAll(/\]\(([\w./-]*)#([^)]+)\)/gu)];
    const missing = links.filter(([, path = "", anchor = ""]) => {
      const target =
        path === "" ? document : new URL(path, new URL(document, top)).href.slice(top.href.length);
      return !anchorsOf(target).includes(anchor);
    });
    expect(missing.map(([link]) => link)).toEqual([]);
  });
});

describe("ARCHITECTURE.md", () => {
  it("names only files and folders that are there", () => {
    const named = [...readDocument("ARCHITECTURE.md").matchAll(/`((?:src|test)\/[\w./-]+)`/g)].map(
      ([, path = ""]) => path,
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(new URL(path, top)))).toEqual([]);
  });
});
