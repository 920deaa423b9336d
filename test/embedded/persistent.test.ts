import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from "../../src/embedded/index.ts";
import { gone, makeTempDir, query, startOwner } from "../support/embedded-processes.ts";

vi.setConfig({ testTimeout: 30_000 });

describe("startEmbeddedPostgres with dataDir", () => {
  it("takes up the data of the last run, with the same password", async () => {
    const options = { dataDir: join(await makeTempDir(), "a", "data"), persistent: true };
    const first = await start(options);
    expect(first.dataDir).toBe(options.dataDir);
    await query(first.connectionString, "create table kept as select 42 as value");
    await first.stop();
    const second = await start(options);
    expect(await query(second.connectionString, "select value from kept")).toEqual([{ value: 42 }]);
    expect(new URL(second.connectionString).password).toBe(new URL(first.connectionString).password);
  });

  it("removes the data without `persistent`", async () => {
    const dataDir = join(await makeTempDir(), "data");
    await mkdir(dataDir);
    const server = await start({ dataDir });
    expect(await query(server.connectionString, "select 1 as one")).toEqual([{ one: 1 }]);
    await server.stop();
    await gone(dataDir);
  });

  it("leaves a later server in the same directory alone when the former one is stopped again", async () => {
    const dataDir = join(await makeTempDir(), "data");
    const first = await start({ dataDir });
    await first.stop();
    const second = await start({ dataDir });
    await first.stop();
    expect(await query(second.connectionString, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(await readdir(dataDir)).toEqual(["pgdata"]);
  });

  it("refuses a directory with something in it without `persistent`, and leaves it alone", async () => {
    const dataDir = await makeTempDir();
    await writeFile(join(dataDir, "precious"), "");
    await expect(start({ dataDir })).rejects.toThrow(/Expected `dataDir` to be absent or empty/);
    expect(await readdir(dataDir)).toEqual(["precious"]);
  });

  it("refuses the data directory of a Postgres that it did not make", async () => {
    const dataDir = await makeTempDir();
    await writeFile(join(dataDir, "PG_VERSION"), "18\n");
    await expect(start({ dataDir, persistent: true })).rejects.toThrow(
      /Expected `dataDir` to be a directory of its own, not a Postgres data directory/,
    );
  });

  it("refuses data that another server is using, which goes on", async () => {
    const options = { dataDir: join(await makeTempDir(), "data"), persistent: true };
    const first = await start(options);
    await expect(start(options)).rejects.toThrow(
      /`dataDir` is in use by another Postgres server \(process \d+\)/,
    );
    expect(await query(first.connectionString, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("lets one of two starts at once have the data", async () => {
    const options = { dataDir: join(await makeTempDir(), "data"), persistent: true };
    const ends = await Promise.allSettled([start(options), start(options)]);
    expect(ends.map((end) => end.status).sort()).toEqual(["fulfilled", "rejected"]);
    const lost = ends.find((end) => end.status === "rejected");
    expect(String(lost?.reason)).toMatch(/`dataDir` is in use by another Postgres server/);
    expect(await readdir(options.dataDir)).toEqual(["pgdata"]);
  });

  it("starts at once after its owner was killed, when the former server is still stopping", async () => {
    const options = { dataDir: join(await makeTempDir(), "data"), persistent: true };
    const owner = startOwner({ options, ending: "wait" });
    const former = await owner.server;
    await query(former.connectionString, "create table kept as select 42 as value");
    owner.child.kill("SIGKILL");
    const server = await start(options);
    expect(await query(server.connectionString, "select value from kept")).toEqual([{ value: 42 }]);
  });

  it("starts on what a crash of the server left", async () => {
    const options = { dataDir: join(await makeTempDir(), "data"), persistent: true };
    const first = await start(options);
    await query(first.connectionString, "create table kept as select 42 as value");
    const file = join(options.dataDir, "pgdata", "postmaster.pid");
    process.kill(Number.parseInt(await readFile(file, "utf8"), 10), "SIGKILL");
    await first.stop();
    expect(await readdir(join(options.dataDir, "pgdata"))).toContain("postmaster.pid");
    const second = await start(options);
    expect(await query(second.connectionString, "select value from kept")).toEqual([{ value: 42 }]);
  });
});

/** Starts a server that is stopped after the test. */
async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(options);
  onTestFinished(() => server.stop());
  return server;
}
