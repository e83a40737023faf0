// Types that the modules share. They are no part of the page.

/** A mean with its 95 % intervals: mean, over seeds from and to, over seeds and images from and to. */
type Estimate = [number, number | null, number | null, number | null, number | null];

/** The values of a curve by epoch, the first epoch first; null where there is none. */
type Row = (number | null)[];

// What the page carries.

interface Metric {
  name: string;
  label: string;
  accuracy: boolean;
}

interface Level {
  name: string;
  label: string;
}

interface Factor {
  name: string;
  label: string;
  levels: Level[];
}

interface Tensor {
  name: string;
  block: string;
  role: string;
}

interface Cell {
  levels: number[];
  label: string;
  name: string;
  selector: string;
  /** Empty where it has not run; then the rest is null or empty. */
  seeds: number[];
  runs: string[] | null;
  phases: number[] | null;
  curves: Record<string, Row[]> | null;
  /** Names of the metrics whose images were evaluated after the last epoch alone. */
  last_epoch_only: string[] | null;
  right: (string | null)[] | null;
  /** The drift is null where it is not finite. */
  audit: [bits: number, drift: number | null][] | null;
}

/** The gap between two cells, the second less the first. */
interface Pair {
  cells: [number, number];
  gap: Estimate | null;
  p: number | null;
  seeds: number;
  equal: boolean;
  shares: { factor: number; share: Estimate; p: number | null }[];
  interactions: { factors: number[]; effect: Estimate }[];
  why: string | null;
}

interface Published {
  label: string;
  cells: number[];
  curves: Record<string, { epochs: number[]; values: Row }>;
}

interface Images {
  count: number;
  classes: string[] | null;
  labels: number[] | null;
  names: string[] | null;
  thumbnails: Record<string, string> | null;
}

interface Data {
  /** With the number of last epochs of which the statistic is the mean; null for the best epoch. */
  experiment: { name: string; title: string; statistic: string; last_epochs: number | null };
  commands: { attribute: string; diagnose: string };
  metrics: Metric[];
  factors: Factor[];
  cells: Cell[];
  tensors: Tensor[];
  pairs: Pair[];
  published: Published[];
  images: Images | null;
  /** The two cells that the experiment is about. */
  question: [number, number] | null;
}

// What the modules hand to each other.

/** What was read from a dropped file. */
interface Training {
  name: string;
  curves: Record<string, Row>;
  remarks: string[];
}

/** One side of a comparison. Its rows are by seed where it has seeds. */
interface Source {
  kind: "cell" | "published" | "log";
  /** The name by which the page's address knows it. */
  key: string;
  label: string;
  cell: Cell | null;
  seeds: number[];
  rows(metric: string): Row[];
}

/** What the reader has chosen to see. */
interface Selected {
  /** Keys of the two sides. */
  a: string;
  b: string;
  metric: string;
  /** Epochs of the running mean; 0 for none. */
  smoothing: number;
  logarithmic: boolean;
  eachSeed: boolean;
  machineNames: boolean;
  /** `cell`, or the factor by whose levels lines are coloured. */
  colour: string;
  /** Levels that are filtered out, such as `regime=cached`. */
  without: string[];
  words: string;
  /** Keys of the legend's entries whose lines are taken out of the chart of all cells. */
  hidden: string[];
}

type Change = (patch: Partial<Selected>) => void;

/** Names that this report knows. */
interface Known {
  sides: string[];
  metrics: string[];
  levels: string[];
  factors: string[];
  /** Keys of entries of the legend. */
  lines: string[];
}

/** Mean, lowest and highest value by epoch. */
interface Summary {
  mean: Row;
  low: Row;
  high: Row;
}

/** What an element may be filled with. */
type Child = Node | string | null | undefined | false;

interface Stroke {
  colour: string;
  dash: number[];
}

interface Line {
  label: string;
  stroke: Stroke;
  values: Row;
  /** The band's edges; empty without a band. */
  low: Row;
  high: Row;
  /** Thin lines beside it. */
  seeds: Row[];
  /** Whether values that are missing are not worth a gap. */
  spansGaps: boolean;
  /** Whether only the last epoch was to have a value. */
  lastEpochOnly: boolean;
  /** The value at an epoch (from 0) in words. */
  told(epoch: number): string;
}

/** How a line is drawn among others that may be equal. */
interface Layer {
  line: Line;
  width: number;
  dash: number[];
}

/** An entry of a legend stands for a cell, for all cells of a level, or for a published curve. */
interface LegendEntry {
  key: string;
  label: string;
  stroke: Stroke;
}

interface View {
  lines: Line[];
  isLogarithmic: boolean;
  tick(value: number): string;
  /** For those who cannot see the chart. */
  label: string;
  caption: string;
  /** Epochs, from 1, at which a phase begins. */
  phases: number[];
  /** Whether a line at zero helps to read it. */
  hasZero: boolean;
}

/** What is told of a metric by its name. */
interface MetricName {
  /** As the report names it. */
  metric: string;
  /** The share of wrong answers, 1 less the accuracy. */
  isError: boolean;
  /** The name says that its values are percentages. */
  isPercent: boolean;
  /** The images that the name states; training where it states none. */
  split: string | null;
}

/** A factor in which two cells differ, in words. */
interface Differing {
  place: number;
  name: string;
  from: string;
  to: string;
}

/** The tensors of a block, counted and by name. */
interface BlockAudit {
  block: string;
  tensors: number;
  frozen: number;
  collected: number;
  movedBy: string[];
  /** Moved though the optimizer had not collected them. */
  movedWithout: string[];
  /** The largest. */
  drift: number;
}

/** Images on which two sides disagree, over the shared seeds that are recorded on both. */
interface Disagreement {
  seeds: number;
  /** Number of images on which only A is right, mean over the seeds. */
  onlyA: number;
  onlyB: number;
  /** Those on which one is right with more seeds than the other, with the seeds of each; most first. */
  images: { image: number; rightA: number; rightB: number }[];
}

/** A line or row of a log; the epoch is null where the log does not say it. */
interface Entry {
  epoch: number | null;
  values: Map<string, number | null>;
  /** Names whose values stand with a sign of per cent. */
  percent: Set<string>;
}

/** The part of uPlot that the page uses. */
declare class uPlot {
  constructor(options: object, data: Row[], host: HTMLElement);
  readonly root: HTMLElement;
  readonly ctx: CanvasRenderingContext2D;
  readonly bbox: { left: number; top: number; width: number; height: number };
  readonly cursor: { idx?: number | null; left: number; top: number };
  readonly scales: { x: { min?: number; max?: number } };
  valToPos(value: number, scale: "x" | "y", inCanvas?: boolean): number;
  setCursor(place: { left: number; top: number }): void;
  setSeries(place: number | null, options: { focus: boolean }): void;
  batch(change: () => void): void;
  setScale(scale: "x", limits: { min: number; max: number }): void;
  setSize(size: { width: number; height: number }): void;
  redraw(rebuildPaths?: boolean): void;
  destroy(): void;
}
