// Runs in a page under test, before its own scripts: keeps each text that is written into a live
// region in `window.said`, and complains about what the page's policy forbids.
{
  const said = [];
  window.said = said;
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
    reportError(new Error(`Against the content security policy: ${violatedDirective} ${blockedURI}`));
  });
  const elementOf = (node) => (node instanceof Element ? node : node.parentElement);
  const observer = new MutationObserver((changes) => {
    const regions = new Set(changes.map(({ target }) => elementOf(target)?.closest("[role=status]")));
    for (const region of regions) {
      const text = region?.textContent.trim();
      if (text) said.push(text);
    }
  });
  observer.observe(document, { subtree: true, childList: true, characterData: true });
}
