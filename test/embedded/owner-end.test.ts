import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { pollUntil } from "../../src/embedded/poll-until.ts";
import type { OwnerEnding } from "../support/embedded-owner.ts";
import { gone, makeTempDir, processesOf, startOwner } from "../support/embedded-processes.ts";

vi.setConfig({ testTimeout: 30_000 });

describe("startEmbeddedPostgres", () => {
  it.each<[string, OwnerEnding, number]>([
    ["stops it", "stop", 0],
    ["has nothing more to do", "run-dry", 0],
    ["calls process.exit()", "exit", 7],
    ["ends by an uncaught exception", "throw", 1],
  ])("leaves nothing behind when its owner %s", async (_name, ending, code) => {
    const owner = startOwner({ options: {}, ending });
    const { dataDir } = await owner.server;
    expect(await owner.ended).toBe(code);
    await gone(dataDir);
  });

  it.each<[string, NodeJS.Signals]>([
    ["is killed with -9", "SIGKILL"],
    ["is told to terminate", "SIGTERM"],
  ])("leaves nothing behind when its owner %s", async (_name, signal) => {
    const owner = startOwner({ options: {}, ending: "wait" });
    const { dataDir } = await owner.server;
    expect((await processesOf(dataDir)).length).toBeGreaterThanOrEqual(2);
    owner.child.kill(signal);
    expect(await owner.ended).toBe(signal);
    await gone(dataDir);
  });

  it("leaves nothing behind after a Ctrl-C, which ends the owner as without a server", async () => {
    const owner = startOwner({ options: {}, ending: "wait" });
    const { dataDir } = await owner.server;
    // A terminal sends the signal to the whole group in the foreground.
    process.kill(-(owner.child.pid ?? Number.NaN), "SIGINT");
    expect(await owner.ended).toBe("SIGINT");
    await gone(dataDir);
  });

  it("leaves nothing behind when its owner is killed in the middle of initdb", async () => {
    const dataDir = join(await makeTempDir(), "data");
    const owner = startOwner({ options: { dataDir }, ending: "wait" });
    const begun = await pollUntil(async () => {
      const running = await processesOf(join(dataDir, "init-"));
      return running.some((line) => line.includes("initdb")) || undefined;
    }, 20_000);
    owner.child.kill("SIGKILL");
    expect(begun).toBe(true);
    expect(await owner.ended).toBe("SIGKILL");
    await gone(dataDir);
  });

  it("leaves of a persistent directory nothing half made when its owner is killed in initdb", async () => {
    const dataDir = join(await makeTempDir(), "data");
    const owner = startOwner({ options: { dataDir, persistent: true }, ending: "wait" });
    await pollUntil(async () => (await readdir(dataDir).catch(() => [])).at(0), 20_000);
    owner.child.kill("SIGKILL");
    await owner.ended;
    const left = await pollUntil(async () => {
      const entries = await readdir(dataDir);
      return entries.length === 0 && (await processesOf(dataDir)).length === 0 ? entries : undefined;
    }, 20_000);
    expect(left).toEqual([]);
  });

  it("writes nothing to its owner's output", async () => {
    const owner = startOwner({ options: {}, ending: "stop" });
    const server = await owner.server;
    await owner.ended;
    expect(owner.output()).toBe(`${JSON.stringify(server)}\n`);
  });
});
