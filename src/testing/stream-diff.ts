import { inspect } from "node:util";
import { isOneCharacter, writeDuration } from "./event-marbles.ts";
import { same } from "./same.ts";

/** What a stream did at a moment, as `TestScheduler` notes it. */
export interface StreamMessage {
  /** Milliseconds of virtual time. */
  readonly frame: number;
  readonly notification:
    | { readonly kind: "N"; readonly value: unknown }
    | { readonly kind: "E"; readonly error: unknown }
    | { readonly kind: "C" };
}

/** When somebody subscribed and unsubscribed, as `TestScheduler` notes it; `Infinity` for never. */
export interface SubscriptionFrames {
  /** Milliseconds of virtual time. */
  readonly subscribedFrame: number;
  /** Milliseconds of virtual time. */
  readonly unsubscribedFrame: number;
}

/** How many values a message tells of. */
const MAX_VALUES = 12;

/**
 * Tells how a stream differs from what was expected of it, as marbles of RxJS one above the other.
 * `undefined` when it does not.
 *
 * @param values What the letters of the expected marbles stand for.
 */
export function streamDiff(
  actual: readonly StreamMessage[],
  expected: readonly StreamMessage[],
  values: Readonly<Record<string, unknown>> | undefined,
): string | undefined {
  const length = Math.max(actual.length, expected.length);
  const at = Array.from({ length }, (_, index) => index).find(
    (index) => !same(actual[index], expected[index]),
  );
  if (at === undefined) return undefined;

  const letters = lettersOf(values);
  const lines = [
    "The stream differs from its marbles",
    `  expected  ${marblesOf(expected, letters)}`,
    `  actual    ${marblesOf(actual, letters)}`,
    `First difference: expected ${tell(expected[at], letters)}, got ${tell(actual[at], letters)}`,
  ];
  const told = letters.told();
  for (const [letter, value] of told.slice(0, MAX_VALUES)) lines.push(`  ${letter} = ${show(value)}`);
  if (told.length > MAX_VALUES) lines.push(`  … and ${told.length - MAX_VALUES} more`);
  return lines.join("\n");
}

/** Tells how subscriptions differ from the expected ones, or `undefined` when they do not. */
export function subscriptionDiff(
  actual: readonly SubscriptionFrames[],
  expected: readonly SubscriptionFrames[],
): string | undefined {
  const texts = [expected, actual].map((log) => log.map(subscriptionText));
  const [wanted = [], came = []] = texts;
  if (same(came, wanted)) return undefined;
  const list = (log: readonly string[]): string => (log.length === 0 ? "none" : log.join("  and  "));
  return `The subscriptions differ\n  expected  ${list(wanted)}\n  actual    ${list(came)}`;
}

/** Letters for values: those that the test gave, texts of one character, and new ones for the rest. */
interface Letters {
  of(value: unknown): string;
  /** Each letter that stands for something else than itself. */
  told(): readonly (readonly [string, unknown])[];
}

function lettersOf(values: Readonly<Record<string, unknown>> | undefined): Letters {
  const known: (readonly [string, unknown])[] = Object.entries(values ?? {});
  const taken = new Set(known.map(([letter]) => letter));
  const fresh = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".split("").filter((letter) => !taken.has(letter));
  return {
    of: (value) => {
      const found = known.find(([, other]) => same(value, other));
      if (found !== undefined) return found[0];
      if (typeof value === "string" && isOneCharacter(value) && !taken.has(value)) return value;
      const letter = fresh.shift() ?? "?";
      if (letter !== "?") known.push([letter, value]);
      return letter;
    },
    told: () => known,
  };
}

function marblesOf(messages: readonly StreamMessage[], letters: Letters): string {
  const groups = new Map<number, string[]>();
  for (const message of messages) {
    groups.set(message.frame, [...(groups.get(message.frame) ?? []), markOf(message, letters)]);
  }
  let text = "";
  let end = 0;
  for (const [frame, marks] of groups) {
    text += gap(frame - end);
    text += marks.length > 1 ? `(${marks.join("")})` : marks.join("");
    end = frame + (marks.length > 1 ? marks.length + 2 : 1);
  }
  return text === "" ? "(nothing)" : text;
}

/** `~` is for what comes sooner after a group than marbles can say. */
function gap(ms: number): string {
  if (ms < 0) return "~";
  return ms <= 20 ? "-".repeat(ms) : ` ${writeDuration(ms)} `;
}

function markOf({ notification }: StreamMessage, letters: Letters): string {
  if (notification.kind === "C") return "|";
  return notification.kind === "E" ? "#" : letters.of(notification.value);
}

function tell(message: StreamMessage | undefined, letters: Letters): string {
  if (message === undefined) return "nothing more";
  const when = `at ${writeDuration(message.frame)}`;
  const { notification } = message;
  if (notification.kind === "E") return `# ${when}, which is ${show(notification.error)}`;
  if (notification.kind === "C") return `| ${when}`;
  return `${letters.of(notification.value)} ${when}, which is ${show(notification.value)}`;
}

function subscriptionText({ subscribedFrame, unsubscribedFrame }: SubscriptionFrames): string {
  const text = `${gap(subscribedFrame)}^`;
  if (unsubscribedFrame === Infinity) return text.trimStart();
  return `${text}${gap(unsubscribedFrame - subscribedFrame - 1)}!`.trimStart();
}

function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  const text = inspect(value, { depth: 5, breakLength: Infinity, maxStringLength: 200, maxArrayLength: 20 });
  return text.length > 400 ? `${text.slice(0, 399)}…` : text;
}
