import { chmod, constants, copyFile, lchown, mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { repairPackage } from "./binaries.ts";
import type { SystemUser } from "./run-program.ts";

/**
 * Copies a package's programs to `target` for `user`: some 60 MB, 0.1 s here. For packages on a
 * read-only disk or below a directory that is closed to `user`.
 *
 * @param target A directory that is not there yet.
 */
export async function copyPackage(
  packageDir: string,
  target: string,
  user: SystemUser | undefined,
): Promise<void> {
  await copyDir(packageDir, target);
  await repairPackage(target);
  if (user === undefined) return;
  const entries = await readdir(target, { recursive: true });
  const paths = [target, ...entries.map((entry) => join(target, entry))];
  await Promise.all(paths.map((path) => lchown(path, user.uid, user.gid)));
}

/**
 * Copies a directory's content but not its rights, unlike `fs.cp`: in a copy of a directory that is
 * closed to writing nothing could be made, nor removed afterwards.
 */
async function copyDir(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyDir(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    // Libraries to build against are never used.
    else if (!entry.name.endsWith(".a")) await copyOneFile(source, target);
  }
}

async function copyOneFile(source: string, target: string): Promise<void> {
  // Shares the blocks where the file system can.
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await chmod(target, 0o700);
}
