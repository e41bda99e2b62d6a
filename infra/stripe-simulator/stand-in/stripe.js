// A stand-in for Stripe.js (https://docs.stripe.com/js), as far as a storefront with the Payment
// Element and confirmation on the server needs it. Its shapes are those of the types in
// @stripe/stripe-js 10. Nothing in it is inline: a page's CSP needs only the simulator's origin,
//   for script, frame and connect.

(() => {
  const origin = new URL(document.currentScript.src).origin;
  const requestTimeoutMs = 10_000;
  const loadTimeoutMs = 10_000; // a frame that a CSP blocks says nothing at all

  class IntegrationError extends Error {
    name = "IntegrationError";
  }

  /** The Payment Element: a card form in a frame of the simulator's. */
  class PaymentElement {
    #elements;
    #listeners = new Map();
    #frame = null;
    #port = null;
    #pending = new Map();
    #asked = 0;
    #destroyed = false;

    constructor(elements) {
      this.#elements = elements;
    }

    mount(where) {
      const place = typeof where === "string" ? document.querySelector(where) : where;
      if (!place) throw new IntegrationError(`The selector you specified (${where}) applies to no DOM elements.`);
      if (this.#destroyed) throw new IntegrationError("This Element has already been destroyed.");
      this.unmount();
      const frame = document.createElement("iframe");
      frame.title = "Secure payment input frame";
      frame.src = `${origin}/_simulator/card-form`;
      // Property by property: a policy without 'unsafe-inline' forbids a style attribute.
      Object.assign(frame.style, { width: "100%", height: "180px", border: "0", display: "block" });
      frame.addEventListener("load", () => this.#connect(frame));
      this.#frame = frame;
      place.replaceChildren(frame);
      setTimeout(() => {
        if (this.#frame === frame && !this.#port) this.#emit("loaderror", { error: unreachable() });
      }, loadTimeoutMs);
      return this;
    }

    unmount() {
      this.#frame?.remove();
      this.#port?.close();
      for (const answer of this.#pending.values()) answer({ error: unreachable() });
      this.#pending.clear();
      this.#frame = this.#port = null;
      return this;
    }

    destroy() {
      this.unmount();
      this.#destroyed = true;
      this.#elements.forget(this);
    }

    focus() {
      this.#frame?.focus();
    }

    on(event, listener) {
      this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
      return this;
    }

    once(event, listener) {
      const onlyOnce = (detail) => {
        this.off(event, onlyOnce);
        listener(detail);
      };
      return this.on(event, onlyOnce);
    }

    off(event, listener) {
      const left = listener ? (this.#listeners.get(event) ?? []).filter((one) => one !== listener) : [];
      this.#listeners.set(event, left);
      return this;
    }

    update() {
      return this;
    }

    /** Asks the frame; answered with an error where there is none. */
    ask(type, params) {
      if (!this.#port) return Promise.resolve({ error: unreachable() });
      this.#asked += 1;
      const id = this.#asked;
      return new Promise((resolve) => {
        this.#pending.set(id, resolve);
        this.#port.postMessage({ id, type, params });
      });
    }

    setTheme(theme) {
      this.#port?.postMessage({ type: "theme", params: theme });
    }

    #connect(frame) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => this.#receive(frame, port1, data);
      const { publishableKey, theme } = this.#elements;
      frame.contentWindow.postMessage({ type: "begin", publishableKey, theme }, origin, [port2]);
    }

    #receive(frame, port, { id, answer, type, height, empty, complete }) {
      if (frame !== this.#frame) return;
      if (type === "height") frame.style.height = `${height}px`;
      else if (type === "change") {
        this.#elements.submitted = false;
        this.#emit("change", { empty, complete, collapsed: false, value: { type: "card" } });
      } else if (type === "ready") {
        this.#port = port;
        this.#emit("ready", {});
      } else {
        this.#pending.get(id)?.(answer);
        this.#pending.delete(id);
      }
    }

    #emit(event, detail) {
      for (const listener of this.#listeners.get(event) ?? []) listener({ elementType: "payment", ...detail });
    }
  }

  class Elements {
    submitted = false;
    #element = null;
    #options;

    constructor(publishableKey, options) {
      requireTerms(options);
      this.publishableKey = publishableKey;
      this.#options = options;
    }

    get theme() {
      return this.#options.appearance?.theme;
    }

    create(type) {
      if (type !== "payment") throw new IntegrationError(`This stand-in has no Element of type ${type}.`);
      if (this.#element) throw new IntegrationError("Can only create one Element of type payment.");
      this.#element = new PaymentElement(this);
      return this.#element;
    }

    getElement(type) {
      return type === "payment" ? this.#element : null;
    }

    async update(change) {
      const options = { ...this.#options, ...change };
      requireTerms(options);
      this.#options = options;
      this.#element?.setTheme(this.theme);
    }

    async submit() {
      const answer = await this.#mounted().ask("submit");
      this.submitted = !answer.error;
      return answer;
    }

    async createToken(params = {}) {
      if (!this.submitted) {
        throw new IntegrationError("elements.submit() must be called before stripe.createConfirmationToken().");
      }
      return this.#mounted().ask("createToken", params);
    }

    forget() {
      this.#element = null;
      this.submitted = false;
    }

    #mounted() {
      if (this.#element) return this.#element;
      throw new IntegrationError("There is no Element of type payment.");
    }
  }

  /** https://docs.stripe.com/js/elements_object/create_without_intent */
  function requireTerms({ mode, amount, currency } = {}) {
    if (mode !== "payment") throw new IntegrationError(`This stand-in knows mode "payment" only, not ${mode}.`);
    if (!Number.isInteger(amount) || amount < 1)
      throw new IntegrationError(`amount: ${amount} is no positive integer.`);
    if (!/^[a-z]{3}$/.test(currency)) throw new IntegrationError(`currency: ${currency} has to be in lower case.`);
  }

  function unreachable() {
    return { type: "api_connection_error", message: "The payment form could not be reached." };
  }

  /** @returns what the simulator answered, or its error */
  async function ask(path, options) {
    try {
      const response = await fetch(`${origin}${path}`, { ...options, signal: AbortSignal.timeout(requestTimeoutMs) });
      const answer = await response.json();
      return response.ok ? { answer } : { error: answer.error };
    } catch {
      return {
        error: { type: "api_connection_error", message: "We are having trouble connecting. Please try again." },
      };
    }
  }

  async function retrievePaymentIntent(publishableKey, clientSecret) {
    const [id] = clientSecret.split("_secret_");
    const { answer, error } = await ask(
      `/v1/payment_intents/${id}?${new URLSearchParams({ client_secret: clientSecret })}`,
      {
        headers: { authorization: `Bearer ${publishableKey}` },
      },
    );
    return error ? { error } : { paymentIntent: answer };
  }

  /**
   * Asks the shopper as their bank would, where the payment waits for that. Stripe documents an
   * error for a payment in another state, without its shape.
   */
  async function handleNextAction(publishableKey, clientSecret) {
    const { paymentIntent, error } = await retrievePaymentIntent(publishableKey, clientSecret);
    if (error) return { error };
    if (paymentIntent.status !== "requires_action") {
      const message = `handleNextAction: The PaymentIntent supplied is not in the requires_action state (${paymentIntent.status}).`;
      const code = "payment_intent_unexpected_state";
      return { error: { type: "invalid_request_error", code, message, payment_intent: paymentIntent } };
    }
    const { askBank } = await import(`${origin}/_simulator/bank-dialog.js`);
    return askBank(paymentIntent, async (succeed) => {
      const body = new URLSearchParams({ client_secret: clientSecret, succeed });
      const answered = await ask("/_simulator/authenticate", { method: "POST", body });
      if (answered.error) return { error: answered.error };
      const after = await retrievePaymentIntent(publishableKey, clientSecret);
      if (after.error || succeed) return after;
      return { error: { ...after.paymentIntent.last_payment_error, payment_intent: after.paymentIntent } };
    });
  }

  window.Stripe = (publishableKey) => {
    if (!publishableKey?.startsWith("pk_")) throw new IntegrationError("Stripe(): expected a publishable key, pk_…");
    return {
      elements: (options) => new Elements(publishableKey, options),
      createConfirmationToken: ({ elements, params }) => elements.createToken(params),
      retrievePaymentIntent: (clientSecret) => retrievePaymentIntent(publishableKey, clientSecret),
      handleNextAction: ({ clientSecret }) => handleNextAction(publishableKey, clientSecret),
    };
  };
})();
