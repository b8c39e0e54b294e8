// What Slack does to a page and local-slack does not: times in the reader's words, tables and charts. And only what the
// picture is of: no frame of local-slack's own, the last `count` messages, the house's clock in place of the machine's.
(function tidy(now, title, count, drawn) {
  const style = document.createElement("style");
  style.textContent = `
    @font-face { font-family: Signs; src: local("Noto Color Emoji"); unicode-range: U+26AA, U+1F000-1FAFF; }
    body, button, input, select { font-family: Signs, Lato, sans-serif !important; }
    .topbar, .sidebar, .composer, .channel-sub, .app-dot, .msg-hover-actions { display: none !important; }
    body { padding: 12px; } .body { display: block; }
    .main { border: 1px solid #ddd; border-radius: 8px; height: fit-content; overflow: hidden; padding-bottom: 6px; }
    .modal-overlay { background: #fff; } .modal { box-shadow: none; border: 1px solid #ddd; max-height: none; }
    .msg-text a, .blocks a, .drawn a { color: #1264a3; text-decoration: none; }
    .bk-plain-input { max-width: none; } .bk-select { width: 100%; background: #fff; }
    .bk-input { margin-bottom: 4px; } ::placeholder { color: #767676; }
    table.drawn { border-collapse: collapse; font-size: 14px; margin: 4px 0; }
    .drawn th, .drawn td { border: 1px solid #ddd; padding: 5px 10px; white-space: nowrap; }
    .drawn th { background: #f8f8f8; } div.drawn { border: 1px solid #ddd; border-radius: 8px; padding: 10px 12px; }
    .drawn svg { display: block; margin-top: 4px; } .drawn rect { fill: #1264a3; }
    .drawn text { font: 12px Lato, sans-serif; fill: #616061; text-anchor: middle; }`;
  document.head.append(style);

  document.querySelectorAll(".channel-title").forEach((shown) => (shown.textContent = title));
  const messages = [...document.querySelectorAll(".msg")];
  messages.slice(0, messages.length - count).forEach((message) => message.remove());

  const time = (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const today = new Date(now * 1000);
  const day = (at) => {
    const away = Math.round((new Date(at).setHours(0, 0, 0, 0) - new Date(today).setHours(0, 0, 0, 0)) / 86400000);
    const words = { "-1": "yesterday", 0: "today", 1: "tomorrow" };
    return words[away] ?? at.toLocaleDateString([], { month: "short", day: "numeric" });
  };
  document.querySelectorAll(".msg-time").forEach((shown) => (shown.textContent = time(today)));
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    texts.currentNode.data = texts.currentNode.data.replace(/<!date\^(\d+)\^([^|>]*)\|[^>]*>/g, (_, seconds, form) => {
      const at = new Date(seconds * 1000);
      return form.replace("{time}", time(at)).replace("{date_short_pretty}", day(at));
    });
  }

  document.querySelectorAll(".bk-unknown").forEach((place, n) => (place.outerHTML = drawn[n]));
  return document.fonts.ready.then(() => true);
})
