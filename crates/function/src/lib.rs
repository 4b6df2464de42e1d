//! What each function of the service does before its handler: settings, log, SDK clients.
