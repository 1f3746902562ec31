import type { Ora } from 'ora';
import type { SingleBar } from 'cli-progress';
import type { RunEvent } from '../ports/run-events.ts';
import type { Io } from './io.ts';
import { messageOf } from './messages.ts';
import type { GlobalOptions } from './options.ts';

export interface Reporter extends AsyncDisposable {
  report(event: RunEvent): void;
}

type Level = 'warning' | 'normal' | 'verbose';

/** Shows a run's events on stderr, as lines for people or as JSON lines for programs. The opener disposes. */
export function openReporter(options: GlobalOptions, io: Io): Reporter {
  const level: Level = options.quiet ? 'warning' : options.verbose ? 'verbose' : 'normal';
  if (options.logFormat === 'json') return new JsonReporter(level, io);
  // A terminal that was given no size has 0 columns, and the spinner would count its lines for ever.
  const isTerminal = io.stderr.isTTY === true && io.stderr.columns !== 0;
  return new PrettyReporter(level, isTerminal && options.progress && level === 'normal', io);
}

function levelOf(event: RunEvent): Level {
  switch (event.type) {
    case 'warning':
      return 'warning';
    case 'notice':
    case 'synced':
    case 'queued':
      return 'normal';
    case 'step':
    case 'progress':
    case 'download':
    case 'processing':
    case 'embedded':
    case 'stored':
    case 'row_failed':
      return 'verbose';
    default:
      return event satisfies never;
  }
}

const ORDER: Record<Level, number> = { warning: 0, normal: 1, verbose: 2 };

class JsonReporter implements Reporter {
  readonly #level: Level;
  readonly #io: Io;

  constructor(level: Level, io: Io) {
    this.#level = level;
    this.#io = io;
  }

  report(event: RunEvent): void {
    // A program that reads the stream wants the failures whatever a person would want to see.
    const needed = event.type === 'row_failed' ? 'warning' : levelOf(event);
    if (ORDER[needed] > ORDER[this.#level]) return;
    this.#io.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class PrettyReporter implements Reporter {
  readonly #level: Level;
  readonly #animated: boolean;
  readonly #io: Io;
  #step = '';
  #spinner: Ora | undefined;
  #bar: SingleBar | undefined;
  #barUnit: Unit | undefined;
  #barStartedAt = 0;
  #widgets: Promise<Widgets | null> | undefined;
  #isClosed = false;

  constructor(level: Level, animated: boolean, io: Io) {
    this.#level = level;
    this.#animated = animated;
    this.#io = io;
  }

  report(event: RunEvent): void {
    if (this.#animated && event.type === 'step') this.#showStep(event.message);
    else if (this.#animated && event.type === 'progress') this.#showBar('rows', event.done, event.total);
    else if (this.#animated && event.type === 'download') this.#showDownload(event.done, event.total);
    else if (ORDER[levelOf(event)] <= ORDER[this.#level]) this.#line(messageOf(event));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#widgets;
    this.#clear();
  }

  #line(text: string | null): void {
    if (text === null) return;
    const step = this.#spinner?.isSpinning === true;
    this.#spinner?.stop();
    // A bar that is being drawn starts its line anew after this one.
    if (this.#bar?.isActive) this.#io.stderr.write('\r\u001B[K');
    this.#io.stderr.write(`${text}\n`);
    if (step) this.#spinner?.start();
  }

  #showStep(message: string): void {
    this.#step = message;
    this.#withWidgets((widgets) => {
      this.#spinner ??= widgets.spinner();
      this.#spinner.text = this.#step;
      if (!this.#spinner.isSpinning) this.#spinner.start();
    });
  }

  /** A model's small files come first and would be the whole of a bar that then begins anew. */
  #showDownload(done: number, total: number): void {
    if (total >= MEGABYTE) this.#showBar('bytes', done, total);
  }

  /** One bar at a time: models are downloaded before rows are worked on. */
  #showBar(unit: Unit, done: number, total: number): void {
    if (total === 0) return;
    this.#withWidgets((widgets) => {
      this.#spinner?.stop();
      if (this.#barUnit !== unit) this.#bar?.stop();
      if (!this.#bar || this.#barUnit !== unit) {
        this.#bar = widgets.bar(unit);
        this.#barUnit = unit;
        this.#barStartedAt = performance.now();
        this.#bar.start(total, done, { rate: 0 });
      }
      const seconds = (performance.now() - this.#barStartedAt) / 1000;
      this.#bar.setTotal(total);
      this.#bar.update(done, { rate: shown(done / Math.max(seconds, 0.001), unit) });
    });
  }

  /** The libraries are loaded at the first use, by a terminal alone; events until then are not worth waiting for. */
  #withWidgets(use: (widgets: Widgets) => void): void {
    this.#widgets ??= loadWidgets(this.#io).catch(() => null);
    void this.#widgets.then((widgets) => {
      if (widgets && !this.#isClosed) use(widgets);
    });
  }

  #clear(): void {
    this.#spinner?.stop();
    this.#bar?.stop();
  }
}

/** What a bar counts. */
type Unit = 'rows' | 'bytes';

const MEGABYTE = 1024 * 1024;

function shown(amount: number, unit: Unit): string {
  return unit === 'rows' ? String(Math.round(amount)) : (amount / MEGABYTE).toFixed(1);
}

interface Widgets {
  spinner(): Ora;
  bar(unit: Unit): SingleBar;
}

async function loadWidgets(io: Io): Promise<Widgets> {
  const [{ default: ora }, progress] = await Promise.all([import('ora'), import('cli-progress')]);
  return {
    // Left to itself ora reads the terminal's input, which belongs to whoever pipes into vecpipe.
    spinner: () => ora({ stream: io.stderr, discardStdin: false }),
    bar: (unit) =>
      new progress.default.SingleBar({
        stream: io.stderr,
        format:
          unit === 'rows'
            ? '{bar} {percentage} % | {value}/{total} rows | {rate} rows/s | ETA {eta_formatted}'
            : 'Downloading {bar} {percentage} % | {value}/{total} MB | {rate} MB/s | ETA {eta_formatted}',
        formatValue: (value, _options, type) =>
          type === 'percentage' ? String(Math.floor(value)) : shown(value, unit),
        // The estimate is the text `INF` while nothing is done, of which the library shows the last two letters.
        formatTime: (seconds, options, roundTo) =>
          Number.isFinite(seconds) ? progress.default.Format.TimeFormat(seconds, options, roundTo) : '?',
        hideCursor: true,
        clearOnComplete: true,
        gracefulExit: false,
      }),
  };
}
