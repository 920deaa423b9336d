import { vi } from "vitest";
import { memoryStore } from "../../src/testing/index.ts";
import { memorySubject } from "./memory-subject.ts";
import { moveDate } from "./move-date.ts";
import { storeContract } from "./store-contract.ts";

storeContract("memory", async (options) => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const close = async () => void vi.useRealTimers();
  return { ...memorySubject(memoryStore(options), moveDate), close };
});
