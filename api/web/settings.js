const pauseMs = 2_000; // before asking again for what the page cannot do without
const timeoutMs = 10_000;

/** How this shop sells. @param onFailure called each time that it could not be had */
export async function readSettings(onFailure) {
  for (;;) {
    try {
      const response = await fetch("/storefront.json", { signal: AbortSignal.timeout(timeoutMs) });
      if (response.ok) return await response.json();
    } catch {
      // asked again below
    }
    onFailure();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
