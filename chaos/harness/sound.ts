import { is } from "./figures.ts";
import type { FigureRule } from "./figures.ts";

/** What must hold at the end of every test whose jobs all complete in their transactions. */
export const SOUND: Readonly<Record<string, FigureRule>> = {
  lost: is(0),
  unfinished: is(0),
  failed: is(0),
  withoutEffect: is(0),
  doubleEffects: is(0),
  staleAccepted: is(0),
  secondOutcomes: is(0),
  historyBreaks: is(0),
  wronglyCharged: is(0),
  startedAfterOutcome: is(0),
  unexpectedExits: is(0),
  handlesLeft: is(0),
  backendsLeft: is(0),
};
