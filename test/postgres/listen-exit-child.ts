/**
 * A process of `listen-exit.test.ts`: subscribes, tells its parent what it hears, unsubscribes when
 * the parent says anything, and has then nothing left to stay up for.
 */
import { Client } from "pg";
import type { ClientConfig } from "pg";
import { listen } from "../../src/postgres/listen.ts";

const { connection, direct } = JSON.parse(process.argv[2] ?? "") as {
  connection: ClientConfig;
  direct: ClientConfig;
};

const subscription = listen({
  connection,
  channel: "listen-exit-test",
  notify: async (channel, payload) => {
    const client = new Client(direct);
    client.on("error", () => {});
    await client.connect();
    await client.query("select pg_notify($1, $2)", [channel, payload]);
    await client.end();
  },
  watchdogIntervalMs: 100,
  watchdogTimeoutMs: 5_000,
}).subscribe((event) => process.send?.(event));

process.once("message", () => {
  subscription.unsubscribe();
  process.disconnect();
});
process.send?.({ type: "subscribed" });
