import { Observable, share } from "rxjs";
import type { MonoTypeOperatorFunction, SubjectLike, Subscriber } from "rxjs";
import type { Turn, Turns } from "./turns.ts";

/** How `deliver` bounds what waits. */
export interface DeliverOptions<T> {
  /** The most values that wait for a subscriber. The oldest are dropped. */
  readonly limit: number;
  /** Makes the value that says how many were dropped. */
  readonly dropped: (count: number) => T;
  /** What a subscriber is told first, if there is anything. */
  readonly greet?: () => T | undefined;
  /** Says when to hand over. */
  readonly turns: Turns;
}

/** The most values of one turn, so that a thousand subscribers all get theirs. */
const TURN_LENGTH = 100;

/** Values that wait are let go in steps, for that moves all others: at so many times the limit. */
const SLACK = 1.25;

/**
 * Hands values on in turns, so that whoever emits them does not wait for whoever takes them.
 *
 * ```text
 * source   (abc)-----d--|
 * result   (abc)-----d--|           in the same moment, but not in the same call
 * slow     a=-----b=-----c=-----(d|)   = the subscriber's work: at most a seventh of the time
 * ```
 *
 * Shares the source, as `share` does. What waits is kept once for all subscribers, and each of them
 * is told of what it misses. An error or a completion comes after what waits.
 */
export function deliver<T>(options: DeliverOptions<T>): MonoTypeOperatorFunction<T> {
  return share({ connector: () => delivery(options) });
}

interface Reader<T> {
  /** The number of the value that it gets next. */
  next: number;
  /** What it gets before that. */
  greeting: T | undefined;
  readonly turn: Turn;
}

function delivery<T>({ limit, dropped, greet, turns }: DeliverOptions<T>): SubjectLike<T> {
  let values: T[] = [];
  /** The number of the first of them. */
  let first = 0;
  let end: ((subscriber: Subscriber<T>) => void) | undefined;
  const readers = new Set<Reader<T>>();
  /** Those of them that have got everything. */
  const idle = new Set<Reader<T>>();

  const total = (): number => first + values.length;
  const oldest = (): number => Math.max(first, total() - limit);
  const forget = (number: number): void => {
    values = values.slice(number - first);
    first = number;
  };
  /** Lets go what everybody got, where it was this one that the first values waited for. */
  const trim = (from: number): void => {
    if (from > first) return;
    let least = total();
    for (const { next } of readers) {
      if (next <= first) return;
      least = Math.min(least, next);
    }
    forget(least);
  };
  const waits = ({ greeting, next }: Reader<T>): boolean => greeting !== undefined || next < total();
  const wake = (): void => {
    for (const { turn } of idle) turns.ask(turn);
    idle.clear();
  };
  const finish = (how: (subscriber: Subscriber<T>) => void): void => {
    end = how;
    wake();
  };

  const readOf = (subscriber: Subscriber<T>): Reader<T> => {
    const hand = (): void => {
      const missed = oldest() - reader.next;
      const { greeting } = reader;
      if (greeting !== undefined) {
        reader.greeting = undefined;
        subscriber.next(greeting);
      } else if (missed > 0) {
        reader.next += missed;
        subscriber.next(dropped(missed));
      } else {
        reader.next += 1;
        subscriber.next(values[reader.next - 1 - first] as T);
      }
    };
    const reader: Reader<T> = {
      next: total(),
      greeting: greet?.(),
      turn: (isOver) => {
        const from = reader.next;
        let count = 0;
        while (waits(reader) && !subscriber.closed) {
          hand();
          count += 1;
          if (count === TURN_LENGTH || isOver()) break;
        }
        if (subscriber.closed) return false;
        trim(from);
        if (waits(reader)) return true;
        if (end === undefined) idle.add(reader);
        else end(subscriber);
        return false;
      },
    };
    return reader;
  };

  const reader$ = new Observable<T>((subscriber) => {
    const reader = readOf(subscriber);
    readers.add(reader);
    if (waits(reader)) turns.ask(reader.turn);
    else idle.add(reader);
    return () => {
      readers.delete(reader);
      idle.delete(reader);
      turns.leave(reader.turn);
      trim(reader.next);
    };
  });
  return Object.assign(reader$, {
    next: (value: T) => {
      values.push(value);
      if (values.length > limit * SLACK) forget(oldest());
      wake();
    },
    error: (error: unknown) => finish((subscriber) => subscriber.error(error)),
    complete: () => finish((subscriber) => subscriber.complete()),
  });
}
