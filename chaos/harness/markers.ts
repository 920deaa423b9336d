import type { Random } from "./random.ts";

/** What must not be seen where it was not asked for. */
export interface Markers {
  readonly payload: string;
  /** Digits, for numbers in payloads. */
  readonly number: string;
  readonly key: string;
  readonly result: string;
  readonly progress: string;
  /** In a progress value above 1,000 bytes. */
  readonly largeProgress: string;
  readonly password: string;
  readonly wrongPassword: string;
}

/** Where a text was found. */
export type Place =
  /** Lines of the library's loggers, and all else that the process wrote, as does the command line. */
  | "log"
  /** Events of a worker in the process of the worker. */
  | "event"
  /** `client.events()`. */
  | "cluster"
  /** What anybody hears who listens on the channels. */
  | "notify"
  /** What calls threw. */
  | "error"
  /** What the calls for operators and the live queries answered. */
  | "answer"
  /** Where jobs stand, for which progress and results are asked for: `watch`, `active`. */
  | "state"
  /** The clients and handles themselves, as a debugger or a logger shows them. */
  | "object"
  /** The statements that `pg_stat_activity` shows, and the tables of workers and subscribers. */
  | "server";

/** A text, and where it was found. */
export interface Found {
  readonly place: Place;
  /** What brought it forth. */
  readonly what: string;
  readonly text: string;
}

/** What `docs/security.md` and `docs/events.md` say is told there. Everything else is a hit. */
const TOLD: Readonly<Partial<Record<Place, readonly (keyof Markers)[]>>> = {
  event: ["result", "progress", "largeProgress"],
  cluster: ["progress"],
  notify: ["progress"],
  state: ["result", "progress", "largeProgress"],
};

/** Makes markers that nothing else has in it. */
export function markersOf({ integer }: Random): Markers {
  const letters = (): string =>
    Array.from({ length: 12 }, () => String.fromCodePoint(integer(97, 122))).join("");
  const of = (name: string): string => `${name}${letters()}`;
  return {
    payload: of("payload"),
    number: Array.from({ length: 18 }, () => integer(1, 9)).join(""),
    key: of("key"),
    result: of("result"),
    progress: of("progress"),
    largeProgress: of("large"),
    password: of("password"),
    wrongPassword: of("wrong"),
  };
}

/** A marker that was seen where it must not be. */
export interface Hit extends Found {
  readonly marker: keyof Markers;
}

/** Finds all markers that are where they must not be. */
export function hitsIn(markers: Markers, found: readonly Found[]): readonly Hit[] {
  const names = Object.keys(markers) as (keyof Markers)[];
  return found.flatMap((one) =>
    names
      .filter((marker) => TOLD[one.place]?.includes(marker) !== true && isIn(one.text, markers[marker]))
      .map((marker) => ({ ...one, marker })),
  );
}

/** Whether a text has another in it, as it is, as bytes are shown, or in base 64. */
export function isIn(text: string, marker: string): boolean {
  return formsOf(marker).some((form) => text.includes(form));
}

function formsOf(marker: string): readonly string[] {
  const bytes = Buffer.from(marker);
  const pairs = bytes.toString("hex");
  // Where it stands among other bytes decides how base 64 shows it; the ends depend on its neighbours.
  const shifted = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(4, -4),
  );
  return [marker, pairs, pairs.replaceAll(/..(?=.)/g, "$& "), ...shifted];
}
