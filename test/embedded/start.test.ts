import { access, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import type { EmbeddedPostgres } from "../../src/embedded/index.ts";
import { pathExists } from "../../src/embedded/path-exists.ts";
import { findServerUser } from "../../src/embedded/server-user.ts";
import { gone, makeTempDir, processesOf, query, startOwner } from "../support/embedded-processes.ts";

const OTHER_BIN_DIR = "/usr/lib/postgresql/15/bin";
const otherPostgres = await pathExists(OTHER_BIN_DIR);
const isRoot = process.geteuid?.() === 0;

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

describe("startEmbeddedPostgres", () => {
  let server: EmbeddedPostgres;
  beforeAll(async () => {
    server = await startEmbeddedPostgres({ settings: { work_mem: "7MB" } });
  });
  afterAll(() => server.stop());

  it("runs Postgres 18 with UTF8, locale C, time zone UTC and durable commits", async () => {
    const [row] = await query(
      server.connectionString,
      `select current_setting('server_version_num')::int / 10000 as version,
              current_setting('server_encoding') as encoding,
              datcollate as collate, current_setting('TimeZone') as zone,
              current_setting('fsync') as fsync, current_setting('synchronous_commit') as sync
       from pg_database where datname = current_database()`,
    );
    expect(row).toEqual({
      version: 18,
      encoding: "UTF8",
      collate: "C",
      zone: "UTC",
      fsync: "on",
      sync: "on",
    });
  });

  it("passes settings on", async () => {
    expect(await query(server.connectionString, "show work_mem")).toEqual([{ work_mem: "7MB" }]);
  });

  it("lets nobody in without the password", async () => {
    const url = new URL(server.connectionString);
    url.password = "wrong";
    await expect(query(url.href, "select 1")).rejects.toThrow(/password authentication failed/);
  });

  it("listens on 127.0.0.1 and nowhere else", async () => {
    expect(
      await query(
        server.connectionString,
        `select current_setting('listen_addresses') as tcp,
                current_setting('unix_socket_directories') as sockets`,
      ),
    ).toEqual([{ tcp: "127.0.0.1", sockets: "" }]);
  });

  it("gives each server a port of its own", async () => {
    const other = await startEmbeddedPostgres();
    try {
      expect(other.port).not.toBe(server.port);
    } finally {
      await other.stop();
    }
  });

  it("listens on the given port", async () => {
    const first = await startEmbeddedPostgres();
    await first.stop();
    const second = await startEmbeddedPostgres({ port: first.port });
    try {
      expect(second.port).toBe(first.port);
    } finally {
      await second.stop();
    }
  });

  it("says that the given port is taken, and leaves nothing behind", async () => {
    const dataDir = join(await makeTempDir(), "data");
    const listener = createServer().listen({ port: 0, host: "127.0.0.1" });
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    try {
      await expect(startEmbeddedPostgres({ port, dataDir })).rejects.toThrow(
        `\`port\` ${port} on 127.0.0.1 is taken`,
      );
    } finally {
      listener.close();
    }
    await gone(dataDir);
  });

  it("tells why the server did not come up, and leaves nothing behind", async () => {
    const dataDir = join(await makeTempDir(), "data");
    await expect(startEmbeddedPostgres({ dataDir, settings: { no_such_setting: "1" } })).rejects.toThrow(
      /Postgres did not start: [^]*unrecognized configuration parameter "no_such_setting"/,
    );
    await gone(dataDir);
  });

  it.runIf(otherPostgres)("runs the Postgres in binDir", async () => {
    const other = await startEmbeddedPostgres({ binDir: OTHER_BIN_DIR });
    try {
      expect(await query(other.connectionString, "show server_version_num")).toEqual([
        { server_version_num: expect.stringMatching(/^15/) as string },
      ]);
    } finally {
      await other.stop();
    }
  });

  it.runIf(isRoot)("works for an owner that is not root", async () => {
    const owner = startOwner({ options: {}, ending: "stop" }, await findServerUser(undefined));
    const { dataDir } = await owner.server;
    expect(await owner.ended).toBe(0);
    await gone(dataDir);
  });
});

describe("stop", () => {
  it("removes the data and every process, however often it is called", async () => {
    const server = await startEmbeddedPostgres();
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    await expect(access(server.dataDir)).rejects.toThrow("ENOENT");
    await gone(server.dataDir);
  });

  it("does not wait for clients to leave", async () => {
    const server = await startEmbeddedPostgres();
    const client = new pg.Client({ connectionString: server.connectionString });
    const ended = new Promise<void>((settle) => client.once("end", () => settle()));
    // Told twice: by the server that it is leaving, and by the closed connection.
    client.on("error", () => {});
    await client.connect();
    await server.stop();
    await ended;
    await gone(server.dataDir);
  });

  it("happens at the end of an `await using` block", async () => {
    let dataDir = "";
    {
      await using server = await startEmbeddedPostgres();
      dataDir = server.dataDir;
    }
    await gone(dataDir);
  });

  it("cleans up after a server that was killed", async () => {
    const server = await startEmbeddedPostgres();
    const [row] = await query(server.connectionString, "select pg_read_file('postmaster.pid') as file");
    process.kill(Number.parseInt((row as { file: string }).file, 10), "SIGKILL");
    await server.stop();
    await gone(server.dataDir);
  });

  it("rejects when the server's keeper was killed, and still ends the server", async () => {
    const server = await startEmbeddedPostgres();
    onTestFinished(() => rm(server.dataDir, { recursive: true, force: true, maxRetries: 10 }));
    const keepers = (await processesOf(server.dataDir)).filter((line) => /sh -c/.test(line));
    // The keeper came before its own children.
    const pids = keepers.map((line) => Number.parseInt(line, 10)).sort((a, b) => a - b);
    process.kill(pids[0] ?? Number.NaN, "SIGKILL");
    await expect(server.stop()).rejects.toThrow(/was ended by SIGKILL: its files stay/);
    await rm(server.dataDir, { recursive: true, force: true, maxRetries: 10 });
    await gone(server.dataDir);
  });
});
