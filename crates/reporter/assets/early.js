// Runs before anything is drawn, so that a chosen theme never flashes.
try {
  const theme = localStorage.getItem("backline:theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's colours it is.
}
