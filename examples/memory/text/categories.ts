import { contentStems } from "./language.ts";

/** What a fact is about, and how surely. */
export interface Label {
  /** One of the categories, such as `economy`. */
  readonly label: string;
  /** Share of the fact's matched words that speak for this label, above 0, up to 1. */
  readonly score: number;
}

/** Words that speak for a category. Inflections need not be listed: stems are compared. */
const LEXICON: Readonly<Record<string, string>> = {
  economy:
    "economy economic business businesses industry trade commerce market inflation prices growth " +
    "recession prosperity bank currency invest investment export exports tariff corporation company",
  finance:
    "tax taxes budget deficit debt revenue treasury spending dollars appropriation expenditures bonds surplus",
  work: "job jobs work workers labor employment unemployed unemployment wage wages hire union pension",
  war:
    "war army navy military soldiers troops weapons defense nuclear missile battle armed forces enemy " +
    "terror terrorists attack aggression fleet militia veterans",
  "foreign policy":
    "treaty treaties foreign allies alliance ambassador diplomatic negotiations peace hemisphere " +
    "Europe European Soviet Russia China Britain minister abroad convention",
  law:
    "law laws court courts justice constitution constitutional legislation crime criminal police judge " +
    "statute legal enforcement amendment suppression",
  rights:
    "freedom liberty rights vote voting slavery slave slaves equality discrimination citizenship emancipation",
  health:
    "health medical medicare medicaid disease doctor doctors hospital hospitals patients insurance cancer drugs medicine",
  education:
    "school schools teacher teachers college students student education university learn reading classroom literacy",
  energy: "energy oil gas coal nuclear electricity fuel environment pollution climate conservation forests",
  land: "farm farmers farming agriculture agricultural crops land lands settlers railroad railroads highways rural territory",
  family: "family families child children parents mother father marriage welfare poverty poor elderly aged",
  science:
    "science scientific research technology space satellites internet computer laboratory innovation invention",
};

/** Labels of one fact, at most. */
const MOST_LABELS = 2;

const LABELS_BY_STEM = labelsByStem();

/**
 * Labels a list of stems by the categories whose words occur in it, surest first, at most two.
 * Gives an empty list when no word of the lexicon occurs.
 */
export function categorize(stems: readonly string[]): Label[] {
  const votes = new Map<string, number>();
  for (const label of stems.flatMap((stem) => LABELS_BY_STEM.get(stem) ?? [])) {
    votes.set(label, (votes.get(label) ?? 0) + 1);
  }
  const total = [...votes.values()].reduce((sum, count) => sum + count, 0);
  return [...votes]
    .map(([label, count]) => ({ label, score: count / total }))
    .toSorted((a, b) => b.score - a.score || a.label.localeCompare(b.label))
    .slice(0, MOST_LABELS);
}

function labelsByStem(): Map<string, string[]> {
  const labels = new Map<string, string[]>();
  for (const [label, words] of Object.entries(LEXICON)) {
    for (const stem of new Set(contentStems(words))) labels.set(stem, [...(labels.get(stem) ?? []), label]);
  }
  return labels;
}
