import { Observable } from "rxjs";

/** Those of Node, also where a test fakes its timers: then nobody would ever move on. */
const { setImmediate: inMacrotask, clearImmediate: forget } = globalThis;

/**
 * Completes in a macrotask of its own: when what runs now has ended, and all that follows from the promises
 * that it settled.
 */
export const macrotask$: Observable<never> = new Observable((subscriber) => {
  const task = inMacrotask(() => subscriber.complete());
  return () => forget(task);
});
