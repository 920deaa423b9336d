import { lastValueFrom } from "rxjs";
import { loudClient } from "./secret-jobs.ts";
import type { SecretsOrder, Witness } from "../harness/secrets.ts";

/** Asks all that operators can ask, of what `work` left behind. */
export async function administration({ url, markers }: SecretsOrder, { saw, tries }: Witness): Promise<void> {
  const { payload: text, key } = markers;
  await using client = loudClient(url);
  const failed = await client.listFailed();
  saw("answer", "listFailed", failed);
  for (const { id } of failed) {
    await tries("result of a failed job", () => client.result(id, { timeoutMs: 1_000 }));
    saw("state", "watch a failed job", await lastValueFrom(client.watch(id)));
  }
  const [first, second] = failed;
  await tries("retryJob", () => client.retryJob(first?.id ?? ""));
  await tries("retryJob again", () => client.retryJob(first?.id ?? ""));
  await tries("deleteFailed", () => client.deleteFailed(second?.id ?? ""));
  await tries("bulkRetry", () => client.bulkRetry("work", { dryRun: true }));
  await tries("pendingCount", () => client.pendingCount());
  const id = await client.enqueue("work", { text }, { key: `${key} twice`, delayMs: 60_000 });
  await tries("enqueueOnce of the same key", () =>
    client.enqueueOnce("work", { text }, { key: `${key} twice` }),
  );
  await tries("enqueue of the same key", () => client.enqueue("work", { text }, { key: `${key} twice` }));
  await tries("result of one that waits", () => client.result(id, { timeoutMs: 50 }));
  await tries("cancel one", () => client.cancel(id));
  await tries("cancel nothing", () => client.cancel({ queue: "none" }));
  await tries("cancel without a filter", () => client.cancel({}));
  await tries("result of a cancelled one", () => client.result(id));
  await tries("after one that never was", () =>
    client.enqueue("work", { text }, { after: ["999999999"], key }),
  );
  await tries("result of one that never was", () => client.result("999999999"));
  await tries("deleteFailed of one that never was", () => client.deleteFailed("999999999"));
  saw("object", "client", client);
  await client.close();
  await tries("a call after the end", () => client.enqueue("work", { text }, { key }));
  await tries("a stream after the end", () => lastValueFrom(client.watch(id)));
}
