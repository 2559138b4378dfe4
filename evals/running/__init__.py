"""Running a target over a suite: tasks, targets, the folder a run is kept in, the sweep."""
