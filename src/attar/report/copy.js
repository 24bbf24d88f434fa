"use strict";
(() => {
  const copy = document.getElementById("copy");
  copy.addEventListener("click", async () => {
    const command = document.getElementById("command");
    let done = true;
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch {
      // A page opened from a file may have no clipboard: the selection is then left for the person to copy.
      getSelection().selectAllChildren(command);
      done = document.execCommand("copy");
    }
    copy.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
})();
