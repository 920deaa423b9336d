import { Writable } from "node:stream";
import { pino } from "pino";
import type { Logger } from "pino";
import { onTestFinished } from "vitest";
import { createClient } from "../../src/index.ts";
import type { Client, ClientOptions, JobSchemas } from "../../src/index.ts";

/** Makes a client that is silent by default and closed when the test is over. */
export function openClient<const Jobs extends JobSchemas>(options: ClientOptions<Jobs>): Client<Jobs> {
  const client = createClient({ logger: false, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** A logger and what was written to it. */
export interface MemoryLog {
  readonly logger: Logger;
  /** The lines so far, parsed. */
  readonly lines: () => readonly Readonly<Record<string, unknown>>[];
  /** The same, as it was written. */
  readonly text: () => string;
}

/** A pino logger that writes to memory, at level `debug` unless told otherwise. */
export function memoryLog(level = "debug"): MemoryLog {
  let text = "";
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString();
      done();
    },
  });
  const lines = (): readonly Readonly<Record<string, unknown>>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  return { logger: pino({ level }, stream), lines, text: () => text };
}

/** A promise and what settles it, for handlers that wait for the test. */
export interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
}

/** Makes a closed gate. */
export function gate(): Gate {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
