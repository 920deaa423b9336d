/** A process that explores the lease protocol, compiled, because it is all computing. */
import { explore } from "../model/explore.ts";
import type { Explored } from "../model/explore.ts";
import type { Bounds } from "../model/lease-protocol.ts";

/** What it is told. */
export interface ExplorerOrder {
  readonly bounds: Bounds;
  readonly fenced: boolean;
}

/** What it says. */
export interface ExplorerSaid {
  readonly said: "explored";
  readonly explored: Explored;
}

const { bounds, fenced } = JSON.parse(process.argv[2] ?? "") as ExplorerOrder;
const said: ExplorerSaid = { said: "explored", explored: explore(bounds, fenced) };
process.stdout.write(`${JSON.stringify(said)}\n`);
