// Real cards, through Stripe's Payment Element in a dialog. The script comes from Stripe and is
// loaded when somebody is about to pay; card numbers are typed into Stripe's own frame and never
// reach us.

import { clock, money } from "./sentences.js";
import { setText } from "./set-text.js";
import { shopNow } from "./shop-clock.js";

const loadTimeoutMs = 20_000; // on a slow phone; then the shopper may close the dialog and try again
const notLoaded = "The card form could not be loaded. Close this and try again.";

/**
 * @param settings where Stripe's script is, and the shop's publishable key
 * @param dialog the `<dialog>` with the form that the Payment Element is put into
 */
export function createCards(settings, dialog) {
  const stripe = stripeOnce(settings);
  const { part, show, showError } = createQuestion(dialog);
  /**
   * The question on the screen: what it is about, its form once that is there, and what ends it.
   */
  let asking = null;

  /**
   * Asks for a card.
   * @param question `title`, `amount`, `currency`; `about` which item or order, `reason` and
   *   `deadlineMs` (by the shop's clock) where an order asks for another card
   * @returns a confirmation token; null where the shopper closes the dialog
   */
  const ask = (question) =>
    new Promise((resolve) => {
      asking?.end(null);
      const ticking = show(question);
      const mine = { about: question.about, form: null };
      mine.end = (token) => {
        if (asking !== mine) return;
        asking = null;
        clearInterval(ticking);
        mine.form?.remove();
        dialog.close();
        resolve(token);
      };
      asking = mine;
      mountForm(mine, question).catch(() => asking === mine && showError(notLoaded));
    });

  /** Puts the card form in its place, unless the question has ended meanwhile. */
  async function mountForm(question, { amount, currency }) {
    const loaded = await stripe();
    if (asking !== question) return;
    const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe";
    const elements = loaded.elements({ mode: "payment", amount, currency, appearance: { theme } });
    const element = elements.create("payment");
    element.on("ready", () => {
      if (asking === question) part("pay").disabled = false;
    });
    element.on("loaderror", () => showError(notLoaded));
    element.mount(part("element"));
    const makeToken = async () => {
      const checked = await elements.submit();
      return checked.error ? checked : loaded.createConfirmationToken({ elements });
    };
    question.form = { makeToken, remove: () => element.destroy() };
  }

  async function pay(event) {
    event.preventDefault();
    const question = asking;
    if (!question?.form) return;
    part("pay").disabled = true;
    showError("");
    const { error, confirmationToken } = await question.form.makeToken().catch((thrown) => ({ error: thrown }));
    if (asking !== question) return; // nobody pays what is not asked for any more
    part("pay").disabled = false;
    if (confirmationToken) question.end(confirmationToken.id);
    else showError(error.message || "The card could not be taken. Try again.");
  }

  part("form").addEventListener("submit", pay);
  part("close").addEventListener("click", () => asking?.end(null));
  dialog.addEventListener("close", () => dialog.open || asking?.end(null)); // by Escape
  return {
    ask,
    confirmWithBank: askBankWith(stripe),
    isOpen: () => dialog.open,
    /** No card is needed any more for an item or an order. */
    stop: (about) => asking?.about === about && asking.end(null),
  };
}

/** The texts of the dialog. */
function createQuestion(dialog) {
  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  const showError = (text) => setText(part("error"), text);

  /** @returns the timer of its countdown */
  function show({ title, reason = "", deadlineMs = null, amount, currency }) {
    const tick = () => {
      const left = deadlineMs === null ? "" : `Pay with another within ${clock(deadlineMs - shopNow())}.`;
      setText(part("deadline"), left);
    };
    tick();
    part("title").textContent = title;
    part("reason").textContent = reason;
    part("pay").textContent = `Pay ${money(amount, currency)}`;
    part("pay").disabled = true;
    part("said").textContent = "";
    showError("");
    dialog.showModal();
    part("title").focus(); // not a button: the key that pressed Buy may still be down
    return setInterval(tick, 1_000);
  }

  return { part, show, showError };
}

/** What a payment may have come to in another tab: there is nothing left to confirm. */
const settled = ["succeeded", "processing", "requires_capture", "canceled"];

function askBankWith(stripe) {
  /** Secrets whose bank has been asked by this page. */
  const asked = new Set();

  async function askBank(clientSecret) {
    try {
      const { error } = await (await stripe()).handleNextAction({ clientSecret });
      const isOver =
        error?.code === "payment_intent_unexpected_state" || settled.includes(error?.payment_intent?.status);
      return isOver ? null : (error?.message ?? null);
    } catch {
      return "Your bank's question could not be loaded. Try again.";
    }
  }

  /**
   * Has the shopper's bank ask its question: by itself once for each secret, and in one tab at a
   * time.
   * @returns what went wrong, in the provider's words; null otherwise
   */
  return async ({ id, payment: { clientSecret } }, isPressed = false) => {
    if (asked.has(clientSecret) && !isPressed) return null;
    asked.add(clientSecret);
    if (!navigator.locks) return askBank(clientSecret); // a page without TLS
    return navigator.locks.request(`holdfast:bank:${id}`, { ifAvailable: true }, (lock) => {
      if (lock) return askBank(clientSecret);
      return isPressed ? "Your bank asks in another tab. Answer it there." : null;
    });
  };
}

/** Loads Stripe's script when it is first needed, and again where that failed. */
function stripeOnce({ scriptUrl, publishableKey }) {
  let loading = null;
  return () => {
    loading ??= loadScript(scriptUrl)
      .then(() => window.Stripe(publishableKey))
      .catch((error) => {
        loading = null;
        throw error;
      });
    return loading;
  };
}

function loadScript(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const fail = () => {
      clearTimeout(timer);
      script.remove();
      reject(new Error("Stripe's script could not be loaded"));
    };
    const timer = setTimeout(fail, loadTimeoutMs);
    script.onload = () => {
      clearTimeout(timer);
      resolve();
    };
    script.onerror = fail;
    script.src = url; // of the shop's configuration; the page's policy lets no other in
    document.head.append(script);
  });
}
