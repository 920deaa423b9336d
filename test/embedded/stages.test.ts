import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { startOnFreePort } from "../../src/embedded/free-port.ts";
import { pathExists } from "../../src/embedded/path-exists.ts";
import { awaitFormerServer } from "../../src/embedded/postmaster-file.ts";
import { findServerUser } from "../../src/embedded/server-user.ts";
import { makeTempDir } from "../support/embedded-processes.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("startOnFreePort", () => {
  it("tries the next port when one was taken in between", async () => {
    const ports = [5001, 5002, 5003, 5004];
    const tried: number[] = [];
    const port = await startOnFreePort(
      async (candidate) => {
        tried.push(candidate);
        return candidate === 5003;
      },
      async () => ports.shift() ?? 0,
    );
    expect(port).toBe(5003);
    expect(tried).toEqual([5001, 5002, 5003]);
  });

  it("gives up after 10 ports", async () => {
    const start = vi.fn(async () => false);
    await expect(startOnFreePort(start)).rejects.toThrow(/Each of 10 free TCP ports was taken/);
    expect(start).toHaveBeenCalledTimes(10);
  });
});

describe("awaitFormerServer", () => {
  it("removes a stale postmaster.pid whose number another process has by now", async () => {
    const clusterDir = await makeTempDir();
    const file = join(clusterDir, "postmaster.pid");
    await writeFile(file, `${process.pid}\n${clusterDir}\n0\n5432\n\n127.0.0.1\n0 0\nready   \n`);
    await awaitFormerServer(clusterDir, clusterDir);
    expect(await pathExists(file)).toBe(false);
  });
});

describe("findServerUser", () => {
  it("leaves an owner that is not root as it is", async () => {
    vi.spyOn(process, "geteuid").mockReturnValue(1000);
    expect(await findServerUser(undefined)).toBeUndefined();
  });

  it("takes `nobody` for root where there is no `postgres`", async () => {
    vi.spyOn(process, "geteuid").mockReturnValue(0);
    const system = fakeSystem(["nobody"]);
    expect(await findServerUser(undefined, system.run)).toEqual({
      name: "nobody",
      uid: 99,
      gid: 99,
    });
    expect(system.created).toEqual([]);
  });

  it("creates `postgres` for root where there is neither", async () => {
    vi.spyOn(process, "geteuid").mockReturnValue(0);
    const system = fakeSystem([], "adduser");
    expect(await findServerUser(undefined, system.run)).toEqual({
      name: "postgres",
      uid: 99,
      gid: 99,
    });
    expect(system.created).toEqual(["adduser"]);
  });

  it("says so where no user can be created", async () => {
    vi.spyOn(process, "geteuid").mockReturnValue(0);
    await expect(findServerUser(undefined, fakeSystem([]).run)).rejects.toThrow(
      /create one named `postgres`/,
    );
  });
});

/** A system with users and at most one program that creates `postgres`. */
function fakeSystem(users: string[], creator?: string) {
  const created: string[] = [];
  const run = async ([file, ...args]: readonly [string, ...string[]]) => {
    if (file === creator) {
      created.push(file);
      users.push("postgres");
    }
    const ok = file === creator || (file === "id" && users.includes(args.at(-1) ?? ""));
    return { ok, stdout: ok ? "99\n" : "", stderr: "" };
  };
  return { run, created };
}
