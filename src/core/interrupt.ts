import { AttemptTimeoutError, CancelledError, InterruptedError, LeaseLostError } from "./errors.ts";
import type { InterruptReason } from "./errors.ts";

/** The order to end attempts: all that run, or that of one claim. */
export interface Interrupt {
  /** Why they have to end. */
  readonly reason: InterruptReason;
  /** The claim that it is about; `undefined` for all. */
  readonly claim?: { readonly id: string; readonly token: number };
  /** What was said about it, where somebody said something. */
  readonly message?: string;
}

/** The reason that the signal of an interrupted attempt gets. */
export function interruption(interrupt: Interrupt, timeoutMs: number | undefined): InterruptedError {
  switch (interrupt.reason) {
    case "timeout":
      return new AttemptTimeoutError(timeoutMs ?? 0);
    case "lease-lost":
      return new LeaseLostError();
    case "cancelled":
      return new CancelledError(interrupt.message ?? "The job was cancelled");
    case "shutdown":
      return new InterruptedError("shutdown", "The worker is shutting down and its drain timeout passed");
    case "aborted":
      return new InterruptedError("aborted", "The worker was aborted");
  }
}
