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
  return Object.entries(figures).map(([name, value]) =>
    [name, value, rules[name]].filter((part) => part !== undefined).join(" "),
  );
}

/** Of each figure the larger one. */
export function worstOf(one: Figures, other: Figures): Figures {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...names].map((name) => [name, Math.max(one[name] ?? 0, other[name] ?? 0)]));
}

/** The rules that are broken, as sentences. A rule without a figure is broken. */
export function brokenRules({ figures, rules, control = {}, controlRules = {} }: Report): readonly string[] {
  return [...broken(figures, rules), ...broken(control, controlRules).map((text) => `control: ${text}`)];
}

function broken(figures: Figures, rules: Readonly<Record<string, FigureRule>>): readonly string[] {
  return Object.entries(rules).flatMap(([name, rule]) => {
    const value = figures[name];
    return value !== undefined && rule.holds(value) ? [] : [`${name} is ${value}, must be ${rule.text}`];
  });
}
