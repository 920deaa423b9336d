import { Observable } from "rxjs";

/**
 * Completes in a macrotask of its own: when what runs now has ended, and all that follows from the promises
 * that it settled. Unsubscribing leaves nothing behind.
 */
export const macrotask$: Observable<never> = new Observable((subscriber) => {
  const immediate = setImmediate(() => subscriber.complete());
  return () => clearImmediate(immediate);
});
