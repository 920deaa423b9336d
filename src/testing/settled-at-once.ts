import { NEVER } from "rxjs";
import { OptionError } from "../core/errors.ts";
import { isVirtual } from "../rx/monotonic-clock.ts";
import type { AttemptSetup } from "../stages/attempt.ts";
import { asyncSchema } from "./new-job-now.ts";
import { isThenable } from "./thenable.ts";

type Handlers = Pick<AttemptSetup, "handlerOf" | "prepare">;

/**
 * Watches that handlers and schemas do not answer with promises in virtual time, where these would
 * not settle: the test would only see that nothing happens any more.
 *
 * @param broken Is told the error, which says what to do instead.
 */
export function settledAtOnce(handlers: Handlers, broken: (error: OptionError) => void): Handlers {
  const refuse = (answer: unknown, message: string): void => {
    // Nobody is going to look at how it ends.
    if (isThenable(answer)) answer.then(undefined, () => undefined);
    broken(new OptionError(message));
  };
  return {
    handlerOf: (kind) => {
      const handler = handlers.handlerOf(kind);
      if (handler === undefined) return undefined;
      return (job, context) => {
        const answer = handler(job, context);
        const what = isVirtual() ? waitsFor(answer) : undefined;
        if (what === undefined) return answer;
        refuse(answer, asyncHandler(kind, what));
        return NEVER;
      };
    },
    prepare: (job) => {
      const prepared = handlers.prepare(job);
      if (isVirtual() && isThenable(prepared)) refuse(prepared, asyncSchema(job.kind));
      return prepared;
    },
  };
}

function waitsFor(answer: unknown): string | undefined {
  if (isThenable(answer)) return "a promise";
  if (typeof answer !== "object" || answer === null) return undefined;
  if (Symbol.asyncIterator in answer) return "an async iterable";
  return "getReader" in answer ? "a stream" : undefined;
}

function asyncHandler(kind: string, what: string): string {
  return (
    `The handler of ${JSON.stringify(kind)} returned ${what}, and promises do not settle in virtual time: ` +
    "return an Observable there (of, timer, throwError …), or let this worker run outside of marbles()"
  );
}
