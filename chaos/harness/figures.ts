/** What a test counted and measured. Times are in milliseconds. */
export type Figures = Readonly<Record<string, number>>;

/** What a test found. */
export interface Report {
  readonly figures: Figures;
  /** What must hold of some of the figures. */
  readonly rules: Readonly<Record<string, FigureRule>>;
  /** The same faults with the protection taken away: shows that the rules can be broken. */
  readonly control?: Figures;
  readonly controlRules?: Readonly<Record<string, FigureRule>>;
}

/** What must hold of a figure. */
export interface FigureRule {
  /** Follows the figure, in whole numbers as that: `≤ 20000`. */
  readonly text: string;
  readonly holds: (value: number) => boolean;
  /** Whether it asks that something came about often enough, such as the fault itself. */
  readonly isFloor?: true;
}

/** What must hold of some figures, in words of a few signs. */
export type RuleTexts = Readonly<Record<string, string>>;

export const is = (wanted: number): FigureRule => ({
  text: `= ${wanted}`,
  holds: (value) => value === wanted,
});

export const atMost = (limit: number): FigureRule => ({
  text: `≤ ${Math.round(limit)}`,
  holds: (value) => value <= limit,
});

export const atLeast = (limit: number): FigureRule => ({
  text: `≥ ${Math.round(limit)}`,
  holds: (value) => value >= limit,
  isFloor: true,
});

export const within = (least: number, most: number): FigureRule => ({
  text: `in ${Math.round(least)}–${Math.round(most)}`,
  holds: (value) => value >= least && value <= most,
});

/** What must hold, as texts. */
export function textsOf(rules: Readonly<Record<string, FigureRule>>): RuleTexts {
  return Object.fromEntries(Object.entries(rules).map(([name, { text }]) => [name, text]));
}

/** Each figure with its name and what must hold of it, so that a reader can judge it. */
export function figureTexts(figures: Figures, rules: RuleTexts = {}): readonly string[] {
  return Object.entries(figures).map(([name, value]) => {
    const rule = rules[name];
    // `lost = 0`, and not `lost 0 = 0`.
    const parts = rule === `= ${value}` ? [name, rule] : [name, value, rule];
    return parts.filter((part) => part !== undefined).join(" ");
  });
}

/** Of each figure the larger one. */
export function worstOf(one: Figures, other: Figures): Figures {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...names].map((name) => [name, Math.max(one[name] ?? 0, other[name] ?? 0)]));
}

/** A rule that was broken. */
export interface Broken {
  /** In a sentence. */
  readonly text: string;
  /**
   * Whether it is about a time, a rate or memory, or about how often something came about: a machine that
   * others use may fail that for a moment.
   */
  readonly ofMachine: boolean;
}

/** Names of times, rates and memory. */
const OF_MACHINE = /Ms$|Percent$|ASecond$|^heap/u;

/** The rules that are broken. A rule without a figure is broken, and that is no matter of the machine. */
export function brokenRules({ figures, rules, control = {}, controlRules = {} }: Report): readonly Broken[] {
  return [
    ...broken(figures, rules),
    ...broken(control, controlRules).map((one) => ({ ...one, text: `control: ${one.text}` })),
  ];
}

function broken(figures: Figures, rules: Readonly<Record<string, FigureRule>>): readonly Broken[] {
  return Object.entries(rules).flatMap(([name, rule]) => {
    const value = figures[name];
    if (value !== undefined && rule.holds(value)) return [];
    const ofMachine = value !== undefined && (rule.isFloor === true || OF_MACHINE.test(name));
    return [{ text: `${name} is ${value}, must be ${rule.text}`, ofMachine }];
  });
}
