import { readFile, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pathExists } from "./path-exists.ts";

/** The list of links that a platform package carries, because npm packs no symbolic links. */
export const LINKS_FILE = "pg-symlinks.json";

/**
 * Makes those links of the libraries in `packageDir` that are missing. Several processes may do so
 * at once: making a link is atomic, and one that another process made is taken as it is.
 *
 * @param packageDir The `native` directory of a platform package. One without a list needs no links.
 * @throws Error with the code of the file system, such as `EROFS` or `EACCES`.
 */
export async function makeLinks(packageDir: string): Promise<void> {
  const list = await readFile(join(packageDir, LINKS_FILE), "utf8").catch(() => "[]");
  for (const { source, target } of parseLinks(list)) {
    // The list counts from the package, and a copy of its `native` directory may have another name.
    const link = join(packageDir, relative("native", target));
    if (await pathExists(link)) continue;
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

function parseLinks(text: string): Link[] {
  const list: unknown = JSON.parse(text);
  return Array.isArray(list) ? list.filter(isLink) : [];
}

function isLink(value: unknown): value is Link {
  return (
    typeof value === "object" &&
    value !== null &&
    "source" in value &&
    typeof value.source === "string" &&
    "target" in value &&
    typeof value.target === "string"
  );
}
