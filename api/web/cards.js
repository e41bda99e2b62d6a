// Real cards, through Stripe's Payment Element in a dialog. The script comes from Stripe and is loaded
// when somebody is about to pay; card numbers are typed into Stripe's own frame and never reach us.

import { clock, money } from "./sentences.js";
import { setText } from "./set-text.js";

const loadTimeoutMs = 20_000; // on a slow phone; then the shopper may close the dialog and try again

/**
 * @param settings where Stripe's script is, and the shop's publishable key
 * @param dialog the `<dialog>` with the form that the Payment Element is put into
 */
export function createCards({ scriptUrl, publishableKey }, dialog) {
  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  /** Secrets whose bank has been asked by this page. */
  const asked = new Set();
  let loading = null;
  let stopAsking = () => {};
  let asking = null;

  function stripe() {
    loading ??= loadScript(scriptUrl)
      .then(() => window.Stripe(publishableKey))
      .catch((error) => {
        loading = null; // the next time tries again
        throw error;
      });
    return loading;
  }

  /** Puts the card form in its place. @returns what makes a token out of it */
  async function mountForm({ amount, currency }) {
    const loaded = await stripe();
    const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe";
    const elements = loaded.elements({ mode: "payment", amount, currency, appearance: { theme } });
    const element = elements.create("payment");
    element.on("ready", () => {
      part("pay").disabled = false;
    });
    element.on("loaderror", () => showError("The card form could not be loaded. Close this and try again."));
    element.mount(part("element"));
    const makeToken = async () => {
      const checked = await elements.submit();
      return checked.error ? checked : loaded.createConfirmationToken({ elements });
    };
    return { makeToken, remove: () => element.destroy() };
  }

  const showError = (text) => setText(part("error"), text);

  /**
   * Asks for a card.
   * @param question `title`, `amount`, `currency`; `about` which item or order, `reason` and `deadlineMs`
   *   where an order asks for another one
   * @returns a confirmation token; null where the shopper closes the dialog
   */
  async function ask({ title, about, reason = "", deadlineMs = null, amount, currency }) {
    stopAsking();
    asking = about;
    const tick = () =>
      deadlineMs && setText(part("deadline"), `Pay with another within ${clock(deadlineMs - Date.now())}.`);
    part("deadline").textContent = "";
    tick();
    const ticking = setInterval(tick, 1_000);
    part("title").textContent = title;
    part("reason").textContent = reason;
    part("pay").textContent = `Pay ${money(amount, currency)}`;
    showError("");
    part("pay").disabled = true;
    const { promise, resolve } = Promise.withResolvers();
    let form = null;
    const pay = async (event) => {
      event.preventDefault();
      part("pay").disabled = true;
      showError("");
      const { error, confirmationToken } = await form.makeToken().catch((thrown) => ({ error: thrown }));
      part("pay").disabled = false;
      if (confirmationToken) resolve(confirmationToken.id);
      else showError(error.message || "The card could not be taken. Try again.");
    };
    const close = () => resolve(null);
    stopAsking = close;
    dialog.addEventListener("close", close);
    part("form").addEventListener("submit", pay);
    dialog.showModal();
    mountForm({ amount, currency }).then(
      (mounted) => {
        form = mounted;
      },
      () => showError("The card form could not be loaded. Close this and try again."),
    );
    try {
      return await promise;
    } finally {
      asking = null;
      clearInterval(ticking);
      dialog.removeEventListener("close", close);
      part("form").removeEventListener("submit", pay);
      form?.remove();
      dialog.close();
    }
  }

  /**
   * Has the shopper's bank ask its question, by itself once for each secret.
   * @returns what went wrong, in the provider's words; null otherwise
   */
  async function confirmWithBank(clientSecret, again = false) {
    if (asked.has(clientSecret) && !again) return null;
    asked.add(clientSecret);
    try {
      const { error } = await (await stripe()).handleNextAction({ clientSecret });
      return error?.message ?? null;
    } catch {
      return "Your bank's question could not be loaded. Try again.";
    }
  }

  part("close").addEventListener("click", () => dialog.close());
  return {
    ask,
    confirmWithBank,
    isOpen: () => dialog.open,
    /** No card is needed any more for an item or an order. */
    stop: (about) => asking === about && stopAsking(),
  };
}

function loadScript(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const fail = () => {
      script.remove();
      reject(new Error("Stripe's script could not be loaded"));
    };
    const timer = setTimeout(fail, loadTimeoutMs);
    script.onload = () => {
      clearTimeout(timer);
      resolve();
    };
    script.onerror = () => {
      clearTimeout(timer);
      fail();
    };
    script.src = url; // of the shop's configuration; the page's policy lets no other in
    document.head.append(script);
  });
}
