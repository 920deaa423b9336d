import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const DIR = fileURLToPath(new URL("..", import.meta.url));

/** The first Node that runs TypeScript as it stands and that all peers support. */
const OLDEST_NODE = [22, 18] as const;

/** Installs the peers, where they are not, or not those of the lockfile. */
export function installPeers(): void {
  const installed = `${DIR}node_modules/.package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${DIR}package-lock.json`).mtimeMs)
    return;
  process.stderr.write("Installing the peers in bench/node_modules\n");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: DIR,
    stdio: ["ignore", process.stderr, process.stderr],
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error("`npm ci` in bench/ failed: see above");
}

/**
 * The Node that everything is measured on: the one that was installed with the peers, else this one.
 *
 * @throws Error when that is older than the peers need.
 */
export function nodeOfChildren(): string {
  const installed = `${DIR}node_modules/node/bin/node`;
  if (existsSync(installed)) return installed;
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]))
    return process.execPath;
  throw new Error(
    `The bench needs Node ${OLDEST_NODE.join(".")} or newer, and found none in bench/node_modules: ` +
      "install with scripts allowed (`npm ci --prefix bench`), or start it with a newer Node",
  );
}
