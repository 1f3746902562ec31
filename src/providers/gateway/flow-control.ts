import { AnnouncedQuota } from './announced-quota.ts';
import type { Cancellation } from './cancellation.ts';
import type { Clock } from './clock.ts';
import { ConcurrencyWindow } from './concurrency-window.ts';
import { LearnedRate } from './learned-rate.ts';
import type { LimitHeaders } from './limit-headers.ts';
import { Spacing } from './spacing.ts';

/** A limiter that counts as exactly as we space would refuse now and then; these 3 % are the price of peace. */
const SHARE_OF_CONFIGURED_RATE = 0.97;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 16_000;
/** Retry-After has whole seconds, and other processes wait for the same one. */
const LARGEST_LATENESS_MS = 100;

export interface FlowLimits {
  maxConcurrency: number;
  requestsPerMinute: number | null;
  /** A pause that is longer than this is not waited for. */
  longestPauseMs: number;
}

/** The right to have one request under way. */
export interface Slot {
  readonly sentAtMs: number;
  readonly tokens: number;
  readonly isScout: boolean;
}

/** How a request ended, as far as the flow of the next ones is concerned. */
export type FlowResult = 'accepted' | 'limited' | 'congested' | 'other';

export interface EntryOptions {
  /** Goes before those that have not been sent yet. */
  isFirst: boolean;
  /** Asked when the turn has come; without it the request is given up and another has the turn. */
  isWanted: () => boolean;
}

interface Waiter {
  tokens: number;
  isWanted: () => boolean;
  grant: (slot: Slot | null) => void;
  reject: (reason: unknown) => void;
}

/**
 * Decides when the next request of a provider may be sent: one queue for all calls, held back by the concurrency
 * window, the rate (configured, announced or learned) and a gate that an endpoint's wish for a pause closes for
 * everybody. After a 429 one request alone finds out whether requests are taken again, however many wait.
 *
 * A pause without an announced length is random in the upper half of 0.5 s, 1 s, 2 s … 16 s: its purpose is to part
 * processes, and the lower half would only be answered 429.
 */
export class FlowControl implements Disposable {
  readonly #clock: Clock;
  readonly #limits: FlowLimits;
  readonly #tooLong: (waitMs: number) => Error;
  readonly #window: ConcurrencyWindow;
  readonly #learned = new LearnedRate();
  readonly #requests: AnnouncedQuota;
  readonly #tokens: AnnouncedQuota;
  readonly #requestSpacing = new Spacing();
  readonly #tokenSpacing = new Spacing();
  readonly #waiting: Waiter[] = [];
  #underWay = 0;
  #gateMs = Number.NEGATIVE_INFINITY;
  #gateClosedAtMs = Number.NEGATIVE_INFINITY;
  #refusalsInARow = 0;
  #isScouting = false;
  #scoutIsOut = false;
  /** When the last scout that was taken again set out. */
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  #troubleSinceMs: number | null = null;
  #cancelTimer: (() => void) | null = null;
  #ended: { reason: unknown } | null = null;

  /** @param tooLong the error for requests that would have to wait longer than `longestPauseMs` */
  constructor(limits: FlowLimits, clock: Clock, tooLong: (waitMs: number) => Error) {
    this.#limits = limits;
    this.#clock = clock;
    this.#tooLong = tooLong;
    this.#window = new ConcurrencyWindow(limits.maxConcurrency);
    this.#requests = new AnnouncedQuota(limits.longestPauseMs);
    this.#tokens = new AnnouncedQuota(limits.longestPauseMs);
  }

  /** The first 429 since the last success; null when there was none. */
  get troubleSinceMs(): number | null {
    return this.#troubleSinceMs;
  }

  /**
   * Waits for the right to send. Whoever gets it has to `leave`.
   * @returns null when the request was no longer wanted
   */
  async enter(
    tokens: number,
    { isFirst, isWanted }: EntryOptions,
    cancellation: Cancellation,
  ): Promise<Slot | null> {
    cancellation.throwIfStopped();
    if (this.#ended) throw this.#ended.reason;
    const pauseMs = this.#gateMs - this.#clock.now();
    if (pauseMs > this.#limits.longestPauseMs + LARGEST_LATENESS_MS) throw this.#tooLong(pauseMs);
    let waiter: Waiter | undefined;
    let forget: (() => void) | undefined;
    try {
      return await new Promise<Slot | null>((grant, reject) => {
        waiter = { tokens, isWanted, grant, reject };
        forget = cancellation.whenStopped((reason) => {
          this.#remove(waiter);
          reject(reason instanceof Error ? reason : new Error(String(reason)));
        });
        if (isFirst) this.#waiting.unshift(waiter);
        else this.#waiting.push(waiter);
        this.#pump();
      });
    } finally {
      forget?.();
    }
  }

  leave(slot: Slot, result: FlowResult, limits: LimitHeaders | null): void {
    const nowMs = this.#clock.now();
    this.#underWay -= 1;
    if (slot.isScout) this.#scoutIsOut = false;
    this.#requests.answered(1, limits?.requests ?? null, nowMs);
    this.#tokens.answered(slot.tokens, limits?.tokens ?? null, nowMs);
    if (result === 'accepted') this.#accepted(slot, nowMs);
    else if (result === 'limited') this.#limited(slot, limits, nowMs);
    else {
      if (result === 'congested') this.#window.setBack(slot.sentAtMs, nowMs);
      const pauseMs = limits?.retryAfterMs ?? 0;
      if (pauseMs > 0) this.#close(nowMs, pauseMs);
    }
    this.#pump();
  }

  /** Gives up for everybody who waits; who comes later has all the time again. */
  giveUp(reason: unknown): void {
    this.#troubleSinceMs = null;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }

  /** Rejects who waits, and whoever comes. */
  end(reason: unknown): void {
    this.#ended ??= { reason };
    this.giveUp(reason);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #accepted(slot: Slot, nowMs: number): void {
    this.#window.succeeded();
    if (slot.isScout) {
      this.#isScouting = false;
      this.#refusalsInARow = 0;
      this.#confirmedAtMs = slot.sentAtMs;
      this.#learned.takenAgain(slot.sentAtMs, nowMs);
    }
    this.#learned.succeeded(nowMs);
    this.#troubleSinceMs = null;
  }

  #limited(slot: Slot, limits: LimitHeaders | null, nowMs: number): void {
    this.#window.setBack(slot.sentAtMs, nowMs);
    // Overtaken by the scout that found out that requests are taken again.
    if (slot.sentAtMs < this.#confirmedAtMs) return;
    this.#troubleSinceMs ??= nowMs;
    this.#isScouting = true;
    this.#learned.refused(nowMs);
    const announcedMs = announcedPauseMs(limits);
    if (announcedMs > 0) {
      this.#close(nowMs, announcedMs);
    } else if (slot.sentAtMs >= this.#gateClosedAtMs) {
      // Those that were under way when the gate closed say nothing new.
      // Sooner than the rate that was taken so far allows nothing will be taken.
      const firstMs = Math.max(FIRST_BACKOFF_MS, 1 / (this.#learned.perMs ?? Number.POSITIVE_INFINITY));
      const longestMs = Math.min(
        LONGEST_BACKOFF_MS,
        this.#limits.longestPauseMs,
        firstMs * 2 ** this.#refusalsInARow,
      );
      this.#refusalsInARow += 1;
      this.#close(nowMs, longestMs * (0.5 + this.#clock.random() / 2));
    }
  }

  #close(nowMs: number, pauseMs: number): void {
    this.#gateClosedAtMs = nowMs;
    const lateMs = Math.min(LARGEST_LATENESS_MS, pauseMs / 10) * this.#clock.random();
    this.#gateMs = Math.max(this.#gateMs, nowMs + pauseMs + lateMs);
    if (pauseMs > this.#limits.longestPauseMs) this.giveUp(this.#tooLong(pauseMs));
  }

  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!next.isWanted()) {
        this.#waiting.shift();
        next.grant(null);
        continue;
      }
      if (this.#underWay >= this.#window.size) return;
      if (this.#isScouting && this.#scoutIsOut) return;
      const nowMs = this.#clock.now();
      const waitMs = this.#readyAt(next.tokens, nowMs) - nowMs;
      if (waitMs > 0) {
        this.#cancelTimer = this.#clock.after(this.#nextLookMs(waitMs, nowMs), () => this.#pump());
        return;
      }
      this.#waiting.shift();
      next.grant(this.#send(next.tokens, nowMs));
    }
  }

  /** A reset makes a rate faster without any answer. */
  #nextLookMs(waitMs: number, nowMs: number): number {
    const resets = [this.#requests.resetAtMs, this.#tokens.resetAtMs].map((time) => time - nowMs);
    return Math.min(waitMs, ...resets.filter((time) => time > 0));
  }

  #send(tokens: number, nowMs: number): Slot {
    this.#requestSpacing.sent(1, this.#requestRate(nowMs), nowMs);
    this.#tokenSpacing.sent(tokens, this.#tokens.perMs(nowMs), nowMs);
    this.#requests.sent(1, nowMs);
    this.#tokens.sent(tokens, nowMs);
    this.#learned.sent(nowMs);
    this.#underWay += 1;
    if (this.#isScouting) this.#scoutIsOut = true;
    return { sentAtMs: nowMs, tokens, isScout: this.#isScouting };
  }

  #readyAt(tokens: number, nowMs: number): number {
    return Math.max(
      this.#gateMs,
      this.#requests.readyAt(1, nowMs),
      this.#tokens.readyAt(tokens, nowMs),
      this.#requestSpacing.readyAt(this.#requestRate(nowMs)),
      this.#tokenSpacing.readyAt(this.#tokens.perMs(nowMs)),
    );
  }

  /** Requests a millisecond at the most. */
  #requestRate(nowMs: number): number | null {
    const { requestsPerMinute } = this.#limits;
    const configured =
      requestsPerMinute === null ? null : (SHARE_OF_CONFIGURED_RATE * requestsPerMinute) / 60_000;
    const rates = [configured, this.#learned.perMs, this.#requests.perMs(nowMs)].filter(
      (rate) => rate !== null,
    );
    return rates.length === 0 ? null : Math.min(...rates);
  }

  #remove(waiter: Waiter | undefined): void {
    const index = waiter === undefined ? -1 : this.#waiting.indexOf(waiter);
    if (index >= 0) this.#waiting.splice(index, 1);
    this.#pump();
  }
}

/** How long a 429 asks everybody to wait; 0 where it does not say. */
export function announcedPauseMs(limits: LimitHeaders | null): number {
  if (limits === null) return 0;
  if (limits.retryAfterMs !== null && limits.retryAfterMs > 0) return limits.retryAfterMs;
  const resets = [limits.requests, limits.tokens].map((quota) =>
    quota?.remaining === 0 ? (quota.resetMs ?? 0) : 0,
  );
  return Math.max(...resets);
}
