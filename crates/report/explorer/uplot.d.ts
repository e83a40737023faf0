// The part of uPlot that the page uses.
declare class uPlot {
  constructor(options: object, data: (number | null)[][], host: HTMLElement);
  readonly root: HTMLElement;
  readonly ctx: CanvasRenderingContext2D;
  readonly bbox: { left: number; top: number; width: number; height: number };
  readonly cursor: { idx: number | null; left: number; top: number };
  valToPos(value: number, scale: "x" | "y", inCanvas?: boolean): number;
  setCursor(place: { left: number; top: number }): void;
  setSeries(place: number | null, options: { focus: boolean }): void;
  setScale(scale: "x", limits: { min: number; max: number }): void;
  setSize(size: { width: number; height: number }): void;
  redraw(rebuildPaths?: boolean): void;
  destroy(): void;
}
