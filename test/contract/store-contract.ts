import { describe, onTestFinished } from "vitest";
import { bench } from "./bench.ts";
import type { Open, Setup } from "./bench.ts";
import { cancelContract } from "./cancel-contract.ts";
import { claimContract } from "./claim-contract.ts";
import { enqueueContract } from "./enqueue-contract.ts";
import { fanInContract } from "./fan-in-contract.ts";
import { keyContract } from "./key-contract.ts";
import { leaseContract } from "./lease-contract.ts";
import { observeContract } from "./observe-contract.ts";
import { operatorContract } from "./operator-contract.ts";
import { progressContract } from "./progress-contract.ts";
import { promoteContract } from "./promote-contract.ts";
import { resultsContract } from "./results-contract.ts";
import { settleContract } from "./settle-contract.ts";

/**
 * What every `Store` must do, behaviour by behaviour. Each store's own test file calls it once:
 *
 * ```ts
 * storeContract("memory", async ({ firstId }) => ({ store: …, states: …, expireLease: …, … }));
 * ```
 *
 * @param setup Makes an empty store for one test. It is called at least once a test.
 */
export function storeContract(name: string, setup: Setup): void {
  const open = opener(setup);
  describe(`the store contract on ${name}`, () => {
    enqueueContract(open);
    keyContract(open);
    claimContract(open);
    settleContract(open);
    leaseContract(open);
    promoteContract(open);
    fanInContract(open);
    operatorContract(open);
    resultsContract(open);
    progressContract(open);
    cancelContract(open);
    observeContract(open);
  });
}

/** Makes the function with which each test opens its bench. */
function opener(setup: Setup): Open {
  return async (options = {}) => {
    const subject = await setup(options);
    onTestFinished(() => subject.close());
    return bench(subject);
  };
}
