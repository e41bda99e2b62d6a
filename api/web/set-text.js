/** Changes a text where it is another: a live region that is written anew is read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
