import { createHash } from "node:crypto";
import { quoteIdentifier } from "./identifier.ts";
import * as cancel from "./statements/cancel.ts";
import * as claim from "./statements/claim.ts";
import * as enqueue from "./statements/enqueue.ts";
import * as events from "./statements/events.ts";
import * as lease from "./statements/lease.ts";
import * as observe from "./statements/observe.ts";
import * as operate from "./statements/operate.ts";
import * as progress from "./statements/progress.ts";
import * as settle from "./statements/settle.ts";
import * as tidy from "./statements/tidy.ts";
import type { Statement } from "./statements/statement.ts";

/** The name of every statement. */
type StatementName =
  | "enqueue"
  | "enqueueJobs"
  | "notify"
  | "claim"
  | "takeOver"
  | "promote"
  | "complete"
  | "settle"
  | "left"
  | "register"
  | "heartbeat"
  | "unregister"
  | "recover"
  | "listFailed"
  | "retryJob"
  | "retryAll"
  | "retryKind"
  | "countFailed"
  | "countFailedKind"
  | "deleteFailed"
  | "pendingCount"
  | "progress"
  | "cancel"
  | "lastJob"
  | "cancellable"
  | "find"
  | "depth"
  | "listActive"
  | "listWorkers"
  | "expireFailed"
  | "expireResults"
  | "enterSubscriber"
  | "renewSubscriber"
  | "removeSubscriber"
  | "subscribers"
  | "readCompleted"
  | "tidy"
  | "tidyUnseen";

/** Every statement of the library, by what it does. Each is described where its text stands. */
const TEXTS: Readonly<Record<StatementName, (schema: string) => string>> = {
  enqueue: enqueue.enqueue,
  enqueueJobs: enqueue.enqueueJobs,
  notify: enqueue.notify,
  claim: claim.claim,
  takeOver: claim.takeOver,
  promote: claim.promote,
  complete: settle.complete,
  settle: settle.settle,
  left: settle.left,
  register: lease.register,
  heartbeat: lease.heartbeat,
  unregister: lease.unregister,
  recover: lease.recover,
  listFailed: operate.listFailed,
  retryJob: operate.retryJob,
  retryAll: operate.retryAll,
  retryKind: operate.retryKind,
  countFailed: operate.countFailed,
  countFailedKind: operate.countFailedKind,
  deleteFailed: operate.deleteFailed,
  pendingCount: operate.pendingCount,
  progress: progress.progress,
  cancel: cancel.cancel,
  lastJob: cancel.lastJob,
  cancellable: cancel.cancellable,
  find: observe.find,
  depth: observe.depth,
  listActive: observe.listActive,
  listWorkers: observe.listWorkers,
  expireFailed: observe.expireFailed,
  expireResults: observe.expireResults,
  enterSubscriber: events.enterSubscriber,
  renewSubscriber: events.renewSubscriber,
  removeSubscriber: events.removeSubscriber,
  subscribers: events.subscribers,
  readCompleted: events.readCompleted,
  tidy: tidy.tidy,
  tidyUnseen: tidy.tidyUnseen,
};

/** The statements of one schema. */
export type Statements = { readonly [Name in StatementName]: Statement };

/**
 * Builds the statements for a schema.
 *
 * The name of a prepared statement holds a hash of its text, so that clients with other schemas, or
 * of another version, may share a connection; and it is shorter than 63 bytes, whatever the schema.
 */
export function statements(schema: string): Statements {
  const quoted = quoteIdentifier(schema);
  const built = Object.entries(TEXTS).map(([label, textFor]): [string, Statement] => {
    const text = textFor(quoted);
    const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
    return [label, { name: `millrace_${label}_${hash}`, text }];
  });
  return Object.fromEntries(built) as Statements;
}
