/**
 * Armed when everything has been released: if something still keeps the event loop alive after `delayMs`,
 * `onHang` is told what. The timer is unref'd, so a process that can end does so without waiting for it.
 */
export function armExitWatchdog(delayMs: number, onHang: (resources: string[]) => void): void {
  setTimeout(() => onHang(process.getActiveResourcesInfo()), delayMs).unref();
}
