import type { Found, Markers, Place } from "./markers.ts";

/** What the process of T35 is told on its command line. */
export interface SecretsOrder {
  /** As the owner of the database, whose password is none of the secrets. */
  readonly ownerUrl: string;
  /** As a role that may do everything, with the marked password. */
  readonly url: string;
  readonly markers: Markers;
  /** The path of the command line. */
  readonly cli: string;
  /** Whether the app itself tells what it should not. */
  readonly careless: boolean;
}

/** What it says. */
export type SecretsSaid =
  | ({ readonly said: "found" } & Found)
  | { readonly said: "done"; readonly calls: number; readonly errors: number };

/** Keeps what was seen. */
export interface Witness {
  /** Something was seen, of whatever type. */
  readonly saw: (place: Place, what: string, value: unknown) => void;
  /** Calls, and keeps the answer, or what was thrown. */
  readonly tries: (what: string, call: () => unknown) => Promise<void>;
}
