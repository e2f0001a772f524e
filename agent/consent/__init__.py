"""Who may be knocked at, who has been told, who has said no: the register, the decision over it, and the gate."""
