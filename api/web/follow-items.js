// Looks what is on sale: one cheap request a second while things change, fewer while they don't,
// and none while nobody looks at the page.

const busyMs = 1_000; // what the shop's answers are good for (max-age=1)
const calmMs = 5_000; // nothing has changed for a while
const calmAfter = 15; // looks without a change
const longestOutageMs = 15_000;

/**
 * @param client of @holdfast/client
 * @param show called with the items after every look @param onFailure when they could not be had
 */
export function createItemFollower({ client, show, onFailure }) {
  let timer = null;
  let watched = true;
  let looking = null;
  let [shown, calm, failures] = [null, 0, 0];

  async function look() {
    clearTimeout(timer);
    looking ??= client
      .items()
      .then(
        (items) => {
          failures = 0;
          calm = items === shown ? calm + 1 : 0;
          shown = items;
          show(items);
        },
        () => {
          failures += 1;
          if (failures > 1) onFailure(); // one alone is nobody's business
        },
      )
      .finally(() => {
        looking = null;
        schedule();
      });
    await looking;
  }

  function schedule() {
    clearTimeout(timer);
    if (!watched) return;
    const outageMs = Math.min(longestOutageMs, busyMs * 2 ** failures);
    timer = setTimeout(look, failures > 0 ? outageMs : calm > calmAfter ? calmMs : busyMs);
  }

  return {
    look,
    /** Something is about to change: looks every second again. */
    wake() {
      const wasCalm = calm > calmAfter;
      calm = 0;
      if (wasCalm && !looking) schedule();
    },
    watch(visible) {
      watched = visible;
      if (visible) look();
      else clearTimeout(timer);
    },
  };
}
