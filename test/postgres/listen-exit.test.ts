import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { usePostgres } from "../support/postgres.ts";
import { startTcpProxy, targetOf } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";
import { listenDatabase } from "./listen-database.ts";

const NAME = "millrace listen exit test";

describe("listen", () => {
  const { connectionString, pool } = usePostgres();
  const database = listenDatabase(connectionString, pool);
  let proxy: TcpProxy;
  let child: ChildProcess;

  beforeEach(async () => {
    proxy = await startTcpProxy(targetOf(connectionString));
  });
  afterEach(async () => {
    child.kill("SIGKILL");
    await proxy[Symbol.asyncDispose]();
  });
  function start(): void {
    const settings = {
      connection: { ...database.connection(NAME, proxy.port), connectionTimeoutMillis: 60_000 },
      direct: database.connection(NAME),
    };
    child = fork(new URL("./listen-exit-child.ts", import.meta.url), [JSON.stringify(settings)], {
      execArgv: ["--import", "tsx", "--unhandled-rejections=strict"],
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
  }

  /** Waits until the child hears an event. */
  async function heard(type: string): Promise<void> {
    const wrong = once(child, "exit").then(([code]) =>
      Promise.reject(new Error(`It exited with ${String(code)}`)),
    );
    for (;;) {
      const [event] = (await Promise.race([once(child, "message"), wrong])) as [{ type: string }];
      if (event.type === type) return;
    }
  }

  /** Tells the child to unsubscribe, and how it ended and after how long. */
  async function exit(): Promise<{ code: number; ms: number; stderr: string }> {
    const stderr = text(child.stderr as NonNullable<ChildProcess["stderr"]>);
    const exited = once(child, "exit");
    const start = performance.now();
    child.send("unsubscribe");
    const [code] = (await exited) as [number];
    return { code, ms: performance.now() - start, stderr: await stderr };
  }

  const CLEAN = { code: 0, stderr: "" };

  it("lets the process exit when it is unsubscribed while it listens", async () => {
    start();
    await heard("listen-restored");
    const end = await exit();
    expect(end).toMatchObject(CLEAN);
    expect(end.ms).toBeLessThan(1_000);
  });

  it("lets the process exit when it is unsubscribed while it connects", async () => {
    proxy.stall();
    const accepted = proxy.accepted();
    start();
    await accepted;
    const end = await exit();
    expect(end).toMatchObject(CLEAN);
    expect(end.ms).toBeLessThan(1_000);
  });

  it("lets the process exit when it is unsubscribed while it reconnects", async () => {
    start();
    await heard("listen-restored");
    await proxy.refuse();
    await heard("listen-lost");
    const end = await exit();
    expect(end).toMatchObject(CLEAN);
    expect(end.ms).toBeLessThan(1_000);
  });

  it("lets the process exit within seconds when its connection is half-open", async () => {
    start();
    await heard("listen-restored");
    proxy.stall();
    const end = await exit();
    expect(end).toMatchObject(CLEAN);
    // One second for a goodbye that nobody answers.
    expect(end.ms).toBeLessThan(3_000);
  });
});
