"""Records findings as alerts: one alert for each finding, however often it is found."""
