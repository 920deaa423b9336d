import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import type { Line } from "../../bench/child/orders.ts";

it("a child of the bench whose worker still works ends with its input", async () => {
  const target = JSON.stringify({ postgres: "", queues: [] });
  const args = ["--import", "tsx", "bench/child.ts", JSON.stringify("timers"), target];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const work = { concurrency: 2, sort: "wait" };
  const line = { id: 0, order: "work", asked: work as never } satisfies Line;
  child.stdin.write(`${JSON.stringify(line)}\n`);
  const [answer] = (await once(child.stdout, "data")) as [Buffer];
  expect(String(answer)).toBe('{"id":0}\n');
  child.stdin.end();
  expect(await once(child, "exit")).toEqual([0, null]);
});
